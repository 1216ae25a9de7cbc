//! Builders of single columns that cost nothing for rows without a value.
//!
//! Most of the columns of most records are null. A builder here is told the row with the value and catches up on the
//! nulls before it, so that an absent field is not even visited.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder, ListBuilder,
    StringViewBuilder, TimestampMicrosecondBuilder,
};

use crate::schema::list_item;

/// Text blocks of this size are shared by the values of a column.
const TEXT_BLOCK_BYTES: u32 = 256 * 1024;

macro_rules! padded {
    ($(#[$doc:meta])* $name:ident, $builder:ty, $value:ty, $new:expr) => {
        $(#[$doc])*
        pub struct $name {
            builder: $builder,
            rows: usize,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { builder: $new, rows: 0 }
            }
        }

        impl $name {
            /// Sets the value of `row`. Rows come in rising order; a second value for one row is ignored.
            #[inline]
            pub fn set(&mut self, row: usize, value: $value) {
                if self.rows > row {
                    return;
                }
                self.pad(row);
                self.builder.append_value(value);
                self.rows += 1;
            }

            #[inline]
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
    };
}

padded!(/** Text, as string views. */ Text, StringViewBuilder, &str,
    StringViewBuilder::new().with_fixed_block_size(TEXT_BLOCK_BYTES));
padded!(/** True or false. */ Flag, BooleanBuilder, bool, BooleanBuilder::new());
padded!(/** 32-bit integers. */ Int, Int32Builder, i32, Int32Builder::new());
padded!(/** 64-bit integers. */ Long, Int64Builder, i64, Int64Builder::new());
padded!(/** 64-bit floating point. */ Float, Float64Builder, f64, Float64Builder::new());
padded!(/** Microseconds UTC. */ Time, TimestampMicrosecondBuilder, i64,
    TimestampMicrosecondBuilder::new().with_timezone("UTC"));
padded!(/** Days since the epoch. */ Date, Date32Builder, i32, Date32Builder::new());

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
