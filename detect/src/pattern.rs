//! Regular expressions of rules, compiled once. DataFusion compiles them again for every batch, which takes longer than
//! to look at the few rows that ask; with a commit every few seconds a rule set would do nothing else.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringViewArray};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Literal};
use regex::Regex;

/// The same expression with its constant patterns compiled. One that does not compile stays as it is, and fails where
/// it is evaluated.
pub(crate) fn compiled(expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let pattern = |expr: Arc<dyn PhysicalExpr>| match expr.downcast_ref().and_then(Pattern::of) {
        Some(pattern) => Ok(Transformed::yes(Arc::new(pattern) as Arc<dyn PhysicalExpr>)),
        None => Ok(Transformed::no(expr)),
    };
    Ok(expr.transform_up(pattern)?.data)
}

/// Whether a text matches.
#[derive(Debug, Clone)]
struct Pattern {
    text: Arc<dyn PhysicalExpr>,
    regex: Regex,
    negated: bool,
}

impl Pattern {
    fn of(expr: &BinaryExpr) -> Option<Pattern> {
        let (flag, negated) = match expr.op() {
            Operator::RegexMatch => ("", false),
            Operator::RegexIMatch => ("(?i)", false),
            Operator::RegexNotMatch => ("", true),
            Operator::RegexNotIMatch => ("(?i)", true),
            _ => return None,
        };
        let pattern: Option<&str> = match expr.right().downcast_ref::<Literal>()?.value() {
            ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.as_deref(),
            _ => None,
        };
        let regex = Regex::new(&format!("{flag}{}", pattern?)).ok()?;
        Some(Pattern { text: expr.left().clone(), regex, negated })
    }

    fn matches(&self, texts: &StringViewArray) -> BooleanArray {
        let is_match = |row| texts.is_valid(row) && self.regex.is_match(texts.value(row)) != self.negated;
        BooleanArray::new(BooleanBuffer::collect_bool(texts.len(), is_match), texts.nulls().cloned())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text.eq(&other.text) && self.regex.as_str() == other.regex.as_str() && self.negated == other.negated
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
        self.regex.as_str().hash(state);
        self.negated.hash(state);
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} {}", self.text, if self.negated { "!~" } else { "~" }, self.regex)
    }
}

impl PhysicalExpr for Pattern {
    fn data_type(&self, _: &Schema) -> Result<DataType, DataFusionError> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool, DataFusionError> {
        self.text.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue, DataFusionError> {
        let texts = self.text.evaluate(batch)?.into_array(batch.num_rows())?;
        let matches = self.matches(cast(&texts, &DataType::Utf8View)?.as_string_view());
        Ok(ColumnarValue::Array(Arc::new(matches) as ArrayRef))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.text]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
        let [text] = <[_; 1]>::try_from(children)
            .map_err(|_| DataFusionError::Internal("a pattern is asked of one text".into()))?;
        Ok(Arc::new(Pattern { text, ..Pattern::clone(&self) }))
    }

    fn fmt_sql(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::StringArray;
    use datafusion::physical_expr::expressions::{Column, NotExpr, binary, lit};

    use super::*;

    #[test]
    fn patterns_say_what_datafusion_says() {
        use Operator::*;
        let texts = [Some("iam:CreateUser"), Some("IAM"), Some(""), None, Some("a\nb")];
        let arrays: [ArrayRef; 2] =
            [Arc::new(StringArray::from(texts.to_vec())), Arc::new(StringViewArray::from(texts.to_vec()))];
        for array in arrays {
            let batch = RecordBatch::try_from_iter_with_nullable([("t", array, true)]).unwrap();
            for op in [RegexMatch, RegexIMatch, RegexNotMatch, RegexNotIMatch] {
                for pattern in ["", "^iam", "User$", "a.b", "(?s)a.b", "[A-Z]+"] {
                    let column = Arc::new(Column::new("t", 0));
                    let text = lit(ScalarValue::try_from_string(pattern.into(), batch.column(0).data_type()).unwrap());
                    let asked = binary(column, op, text, &batch.schema()).unwrap();
                    let asked: Arc<dyn PhysicalExpr> = Arc::new(NotExpr::new(asked));
                    let prepared = compiled(asked.clone()).unwrap();
                    assert!(prepared.children()[0].is::<Pattern>(), "{prepared}");
                    let said =
                        |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(&batch).unwrap().into_array(texts.len()).unwrap();
                    assert_eq!(&said(&prepared), &said(&asked), "{op} {pattern}");
                }
            }
        }
    }

    #[test]
    fn what_does_not_compile_fails_where_it_is_evaluated() {
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec!["a"]));
        let batch = RecordBatch::try_from_iter([("t", texts)]).unwrap();
        let pattern = lit(ScalarValue::Utf8View(Some("(".into())));
        let column = Arc::new(Column::new("t", 0));
        let asked = binary(column, Operator::RegexMatch, pattern, &batch.schema()).unwrap();
        assert!(compiled(asked).unwrap().evaluate(&batch).is_err());
    }
}
