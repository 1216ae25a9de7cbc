//! Builders of single columns that cost nothing for rows without a value.
//!
//! Most of the columns of most records are null. A builder here is told the row with the value and catches up on the
//! nulls before it, so that an absent field is not even visited.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, ListBuilder,
    StringViewBuilder, TimestampMicrosecondBuilder, new_null_array,
};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, TimeUnit};

use crate::schema::list_item;

/// Text blocks of this size are shared by the values of a column.
const TEXT_BLOCK_BYTES: u32 = 256 * 1024;

macro_rules! padded {
    ($(#[$doc:meta])* $name:ident, $builder:ty, $value:ty, $kind:expr, $new:expr) => {
        $(#[$doc])*
        pub struct $name {
            /// There once a row of the batch has a value.
            builder: Option<$builder>,
            rows: usize,
            /// Rows of the batch before, which this one will be about as long as.
            expected: usize,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { builder: None, rows: 0, expected: 0 }
            }
        }

        impl $name {
            /// Sets the value of `row`. Rows come in rising order; a second value for one row is ignored.
            #[inline]
            pub fn set(&mut self, row: usize, value: $value) {
                if self.rows > row {
                    return;
                }
                self.padded(row).append_value(value);
                self.rows += 1;
            }

            /// The builder, filled with nulls up to this row.
            #[inline]
            fn padded(&mut self, rows: usize) -> &mut $builder {
                let expected = self.expected;
                let builder = self.builder.get_or_insert_with(|| $new(expected));
                while self.rows < rows {
                    builder.append_null();
                    self.rows += 1;
                }
                builder
            }

            pub fn finish(&mut self, rows: usize) -> ArrayRef {
                self.expected = rows;
                if self.builder.is_none() {
                    return new_null_array(&$kind, rows);
                }
                let column = self.padded(rows).finish();
                self.builder = None;
                self.rows = 0;
                Arc::new(column)
            }
        }
    };
}

padded!(/** Text, as string views. */ Text, StringViewBuilder, &str, DataType::Utf8View,
    |rows| StringViewBuilder::with_capacity(rows).with_fixed_block_size(TEXT_BLOCK_BYTES));
padded!(/** True or false. */ Flag, BooleanBuilder, bool, DataType::Boolean, BooleanBuilder::with_capacity);
padded!(/** 32-bit integers. */ Int, Int32Builder, i32, DataType::Int32, Int32Builder::with_capacity);
padded!(/** 64-bit integers. */ Long, Int64Builder, i64, DataType::Int64, Int64Builder::with_capacity);
padded!(/** 64-bit floating point. */ Float, Float64Builder, f64, DataType::Float64, Float64Builder::with_capacity);
padded!(/** Microseconds UTC. */ Time, TimestampMicrosecondBuilder, i64,
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    |rows| TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC"));
padded!(/** Days since the epoch. */ Date, Date32Builder, i32, DataType::Date32, Date32Builder::with_capacity);

/// Text is stored apart after so many equal rows. A batch of many small objects shall not consist of blocks.
const REPEATED_MIN: usize = 8;
/// Text up to this length lies in the view itself.
const IN_VIEW_BYTES_MAX: usize = 12;

/// The text of the row before, where a column's text is mostly that, such as the object's key.
#[derive(Default)]
pub struct Repeat {
    last: String,
    /// How often `last` was set in a row, and where it is stored for all that follow.
    times: usize,
    block: Option<u32>,
}

impl Repeat {
    /// Forgets everything: blocks go with their batch.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

impl Text {
    /// As [`Text::set`], for text that is often that of the row before: once that shows, it is stored once.
    #[inline]
    pub fn set_repeated(&mut self, row: usize, value: &str, repeat: &mut Repeat) {
        if self.rows > row {
            return;
        }
        if value != repeat.last {
            repeat.last.clear();
            repeat.last.push_str(value);
            repeat.times = 0;
            repeat.block = None;
        }
        repeat.times += 1;
        if repeat.times == REPEATED_MIN && value.len() > IN_VIEW_BYTES_MAX {
            repeat.block = Some(self.padded(row).append_block(Buffer::from(value.as_bytes())));
        }
        let Some(block) = repeat.block else { return self.set(row, value) };
        let length = value.len() as u32;
        self.padded(row).try_append_view(block, 0, length).expect("the block is this very text");
        self.rows += 1;
    }
}

/// Lists of text whose elements may be null.
pub struct TextList {
    builder: ListBuilder<StringViewBuilder>,
    rows: usize,
}

impl Default for TextList {
    fn default() -> Self {
        Self {
            builder: ListBuilder::new(StringViewBuilder::new().with_fixed_block_size(TEXT_BLOCK_BYTES))
                .with_field(list_item()),
            rows: 0,
        }
    }
}

impl TextList {
    pub fn set<'a>(&mut self, row: usize, values: impl IntoIterator<Item = Option<&'a str>>) {
        if self.rows > row {
            return;
        }
        self.pad(row);
        for value in values {
            self.builder.values().append_option(value);
        }
        self.builder.append(true);
        self.rows += 1;
    }

    fn pad(&mut self, rows: usize) {
        while self.rows < rows {
            self.builder.append_null();
            self.rows += 1;
        }
    }

    pub fn finish(&mut self, rows: usize) -> ArrayRef {
        self.pad(rows);
        self.rows = 0;
        Arc::new(self.builder.finish())
    }
}
