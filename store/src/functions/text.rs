//! Plain Rust functions over text as SQL functions: the wrapper that spares each its own boilerplate.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

/// `name(text) → text`.
pub fn text_of_text(name: &str, call: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> ScalarUDF {
    text_of_texts(name, 1, move |texts, row| texts.get(0, row).and_then(&call).map(Cow::Owned))
}

/// `name(text, text) → text`.
pub fn text_of_two_texts(name: &str, call: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static) -> ScalarUDF {
    text_of_texts(name, 2, move |texts, row| call(texts.get(0, row)?, texts.get(1, row)?).map(Cow::Owned))
}

/// `name(text, …) → text` of some rows' texts, any of which may be null.
pub(super) fn text_of_texts(
    name: &str,
    arguments: usize,
    call: impl Fn(&Texts, usize) -> Option<Cow<'_, str>> + Send + Sync + 'static,
) -> ScalarUDF {
    texts(name, arguments, DataType::Utf8View, move |texts| {
        let mut found = StringViewBuilder::with_capacity(texts.rows);
        for row in 0..texts.rows {
            found.append_option(call(texts, row));
        }
        Arc::new(found.finish())
    })
}

/// `name(text) → boolean`; null gives false, so that it can stand in a WHERE as it is.
pub fn boolean_of_text(name: &str, call: impl Fn(&str) -> bool + Send + Sync + 'static) -> ScalarUDF {
    texts(name, 1, DataType::Boolean, move |texts| {
        let found = (0..texts.rows).map(|row| Some(texts.get(0, row).is_some_and(&call)));
        Arc::new(found.collect::<BooleanArray>())
    })
}

/// The arguments of a call, as columns of text; a constant is a column of one value.
pub(crate) struct Texts {
    columns: Vec<ArrayRef>,
    pub rows: usize,
}

impl Texts {
    pub fn new(args: &[ColumnarValue]) -> Result<Self> {
        let rows = args.iter().find_map(|arg| match arg {
            ColumnarValue::Array(array) => Some(array.len()),
            ColumnarValue::Scalar(_) => None,
        });
        let column = |arg: &ColumnarValue| {
            let array = match arg {
                ColumnarValue::Array(array) => array.clone(),
                ColumnarValue::Scalar(scalar) => scalar.to_array()?,
            };
            Ok(cast(&array, &DataType::Utf8View)?)
        };
        Ok(Self { columns: args.iter().map(column).collect::<Result<_>>()?, rows: rows.unwrap_or(1) })
    }

    pub fn get(&self, argument: usize, row: usize) -> Option<&str> {
        let column = self.columns[argument].as_string_view();
        let row = if column.len() == 1 { 0 } else { row };
        column.is_valid(row).then(|| column.value(row))
    }

    /// The value of an argument that is the same in all rows.
    pub fn constant(&self, argument: usize) -> Option<&str> {
        let column = self.columns.get(argument)?.as_string_view();
        (column.len() == 1 && column.is_valid(0)).then(|| column.value(0))
    }
}

fn texts(
    name: &str,
    arguments: usize,
    returns: DataType,
    call: impl Fn(&Texts) -> ArrayRef + Send + Sync + 'static,
) -> ScalarUDF {
    let whole = move |args: &[ColumnarValue]| Ok(ColumnarValue::Array(call(&Texts::new(args)?)));
    create_udf(name, vec![DataType::Utf8View; arguments], returns, Volatility::Immutable, Arc::new(whole))
}
