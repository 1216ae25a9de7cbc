//! Builders of single columns that cost nothing for rows without a value.
//!
//! Most of the columns of most records are null. A builder here holds the values alone and the rows that they belong to,
//! so that an absent field is not even visited; the nulls come between them when the batch is made.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBufferBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder,
    ListBuilder, StringViewBuilder, TimestampMicrosecondBuilder, UInt32Array, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, TimeUnit};

use crate::schema::list_item;

/// Text blocks of this size are shared by the values of a column.
const TEXT_BLOCK_BYTES: u32 = 256 * 1024;

macro_rules! column {
    ($(#[$doc:meta])* $name:ident, $builder:ty, $value:ty, $kind:expr, $new:expr) => {
        $(#[$doc])*
        #[derive(Default)]
        pub struct $name {
            /// There once a row of the batch has a value.
            builder: Option<$builder>,
            /// The rows of the values, rising.
            rows: Vec<u32>,
            /// Values of the batch before; this one will have about as many.
            expected: usize,
        }

        impl $name {
            /// Sets the value of `row`. Rows come in rising order; a second value for one row is ignored.
            #[inline]
            pub fn set(&mut self, row: usize, value: $value) {
                if let Some(builder) = self.at(row) {
                    builder.append_value(value);
                }
            }

            /// The builder, for the value of `row`; none where that has one.
            #[inline]
            fn at(&mut self, row: usize) -> Option<&mut $builder> {
                let row = row as u32;
                if self.rows.last().is_some_and(|&last| last >= row) {
                    return None;
                }
                self.rows.push(row);
                let expected = self.expected;
                Some(self.builder.get_or_insert_with(|| $new(expected)))
            }

            /// The column of a batch of so many rows.
            pub fn finish(&mut self, rows: usize) -> ArrayRef {
                self.expected = self.rows.len();
                let column = match self.builder.take() {
                    None => new_null_array(&$kind, rows),
                    Some(mut builder) => {
                        let at = self.rows.iter().enumerate().map(|(place, &row)| (row, place as u32));
                        spread(Arc::new(builder.finish()), at, rows)
                    }
                };
                self.rows.clear();
                column
            }
        }
    };
}

/// Values at their rows: pairs of a row and the place of its value. Nulls stand between them.
fn spread(values: ArrayRef, at: impl ExactSizeIterator<Item = (u32, u32)>, rows: usize) -> ArrayRef {
    if values.len() == rows {
        return values;
    }
    let mut places = vec![0; rows];
    let nulls = if at.len() == rows {
        at.for_each(|(row, place)| places[row as usize] = place);
        None
    } else {
        let mut set = BooleanBufferBuilder::new(rows);
        set.append_n(rows, false);
        for (row, place) in at {
            places[row as usize] = place;
            set.set_bit(row as usize, true);
        }
        Some(NullBuffer::new(set.finish()))
    };
    take(&values, &UInt32Array::new(places.into(), nulls), None).expect("every place is one of a value")
}

column!(/** True or false. */ Flag, BooleanBuilder, bool, DataType::Boolean, BooleanBuilder::with_capacity);
column!(/** 32-bit integers. */ Int, Int32Builder, i32, DataType::Int32, Int32Builder::with_capacity);
column!(/** 64-bit integers. */ Long, Int64Builder, i64, DataType::Int64, Int64Builder::with_capacity);
column!(/** 64-bit floating point. */ Float, Float64Builder, f64, DataType::Float64, Float64Builder::with_capacity);
column!(/** Microseconds UTC. */ Time, TimestampMicrosecondBuilder, i64,
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    |rows| TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC"));
column!(/** Days since the epoch. */ Date, Date32Builder, i32, DataType::Date32, Date32Builder::with_capacity);

/// Text, as string views. Neighbours are often equal (an object's records have one key, an identity's calls one user
/// agent), so text that is that of the value before is held once.
#[derive(Default)]
pub struct Text {
    /// There once a row of the batch has a value.
    builder: Option<StringViewBuilder>,
    /// The rows of the values, rising, and where each one's value stands among those held.
    at: Vec<(u32, u32)>,
    /// Values held of the batch before; this one will have about as many.
    expected: usize,
}

impl Text {
    /// Sets the value of `row`. Rows come in rising order; a second value for one row is ignored.
    #[inline]
    pub fn set(&mut self, row: usize, value: &str) {
        let row = row as u32;
        let place = match self.at.last() {
            None => {
                let builder = StringViewBuilder::with_capacity(self.expected).with_fixed_block_size(TEXT_BLOCK_BYTES);
                self.builder.insert(builder).append_value(value);
                0
            }
            Some(&(last, _)) if last >= row => return,
            Some(&(_, place)) => {
                let builder = self.builder.as_mut().expect("there is a value");
                if builder.get_value(place as usize) == value.as_bytes() {
                    place
                } else {
                    builder.append_value(value);
                    place + 1
                }
            }
        };
        self.at.push((row, place));
    }

    /// The column of a batch of so many rows.
    pub fn finish(&mut self, rows: usize) -> ArrayRef {
        let Some(mut builder) = self.builder.take() else {
            return new_null_array(&DataType::Utf8View, rows);
        };
        let values = builder.finish();
        self.expected = values.len();
        spread(Arc::new(values), self.at.drain(..), rows)
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
