//! Site facts as functions of SQL.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, StringViewArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility, lit,
};

use super::{Matcher, Site};
use crate::functions::Texts;

/// A list, a value and, if one is known, a time.
fn signature() -> Signature {
    let text = || DataType::Utf8View;
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let forms = vec![TypeSignature::Exact(vec![text(), text()]), TypeSignature::Exact(vec![text(), text(), time])];
    Signature::one_of(forms, Volatility::Immutable)
}

/// The list that a function was asked about, if it is written there and the site does not have it.
fn is_unknown(site: &Site, args: &[Expr]) -> bool {
    match args.first() {
        Some(Expr::Literal(list, _)) => list.try_as_str().flatten().is_some_and(|list| !site.named.contains_key(list)),
        _ => false,
    }
}

/// What a function was asked, row by row: `answer(lists, value, time)`, where the value is not null.
fn answers<T>(
    site: &Site,
    args: &ScalarFunctionArgs,
    answer: impl Fn(&[Matcher], &str, Option<i64>) -> T,
) -> Result<Vec<Option<T>>> {
    let rows = args.number_rows;
    let (texts, time) = args.args.split_at(2);
    let texts = Texts::new(texts)?;
    let lists = |list: &str| site.named.get(list).map_or(&[][..], Vec::as_slice);
    let constant = texts.constant(0).map(lists);
    let times = time.first().map(|time| times(time, rows)).transpose()?;
    let of_row = |row| {
        let lists = constant.or_else(|| texts.get(0, row).map(lists)).unwrap_or_default();
        let time = times.as_ref().filter(|times| times.is_valid(row)).map(|times| times.value(row));
        texts.get(1, row).map(|value| answer(lists, value, time))
    };
    Ok((0..rows).map(of_row).collect())
}

fn has(lists: &[Matcher], value: &str, time: Option<i64>) -> bool {
    lists.iter().any(|list| list.has(value, time))
}

fn times(time: &ColumnarValue, rows: usize) -> Result<TimestampMicrosecondArray> {
    let array = time.clone().into_array(rows)?;
    let array = cast(&array, &DataType::Timestamp(TimeUnit::Microsecond, None)).map_err(DataFusionError::from)?;
    Ok(array.as_primitive::<TimestampMicrosecondType>().clone())
}

/// A function of one site. Functions of the same facts are the same.
macro_rules! of_site {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name {
            site: Arc<Site>,
            signature: Signature,
        }

        impl $name {
            pub fn new(site: Arc<Site>) -> Self {
                Self { site, signature: signature() }
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.site.version == other.site.version
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.site.version.hash(state);
            }
        }
    };
}

of_site! {
    /// `in_site(list, value)` and `in_site(list, value, time)`: whether the list has the value; false for null.
    InSite
}

of_site! {
    /// `outside_site(list, values)` and `outside_site(list, values, time)`: those of the values, written with commas between
    /// them, that the list does not have, in the same form; null if it has them all.
    OutsideSite
}

impl ScalarUDFImpl for InSite {
    fn name(&self) -> &str {
        "in_site"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    /// Most sites have few lists: a rule that asks for another one costs nothing.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(match is_unknown(&self.site, &args) {
            true => ExprSimplifyResult::Simplified(lit(false)),
            false => ExprSimplifyResult::Original(args),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let found: BooleanArray =
            answers(&self.site, &args, has)?.into_iter().map(|found| Some(found == Some(true))).collect();
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

impl ScalarUDFImpl for OutsideSite {
    fn name(&self) -> &str {
        "outside_site"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let outside = |lists: &[Matcher], values: &str, time| {
            let values = values.split(',').map(str::trim).filter(|value| !value.is_empty() && !has(lists, value, time));
            values.collect::<Vec<_>>().join(",")
        };
        let left: StringViewArray =
            answers(&self.site, &args, outside)?.into_iter().map(|left| left.filter(|left| !left.is_empty())).collect();
        Ok(ColumnarValue::Array(Arc::new(left)))
    }
}
