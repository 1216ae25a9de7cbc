//! What a predicate requires of a column, read off its conditions.

use std::collections::BTreeSet;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr, Expr, Like, Operator};

/// The values that `column` must have one of wherever the predicate is true; none if it may be anything.
pub(crate) fn values(predicate: &Expr, column: &str) -> Option<BTreeSet<String>> {
    match predicate {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            match (values(left, column), values(right, column)) {
                (Some(a), Some(b)) => Some(a.intersection(&b).cloned().collect()),
                (a, b) => a.or(b),
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let mut both = values(left, column)?;
            both.extend(values(right, column)?);
            Some(both)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(c), value) | (value, Expr::Column(c)) if c.name == column => {
                Some(BTreeSet::from([text(value)?]))
            }
            _ => None,
        },
        Expr::InList(list) if !list.negated && is_column(&list.expr, column) => list.list.iter().map(text).collect(),
        _ => None,
    }
}

/// Every text that `column` is compared with, wherever in the expression.
pub(crate) fn compared(expr: &Expr, column: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let _ = expr.apply(|e| {
        match e {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq | Operator::NotEq, right }) => {
                if is_column(left, column) {
                    found.extend(text(right));
                } else if is_column(right, column) {
                    found.extend(text(left));
                }
            }
            Expr::InList(list) if is_column(&list.expr, column) => found.extend(list.list.iter().filter_map(text)),
            Expr::Case(case) if case.expr.as_ref().is_some_and(|e| is_column(e, column)) => {
                found.extend(case.when_then_expr.iter().filter_map(|(when, _)| text(when)));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

fn is_column(expr: &Expr, column: &str) -> bool {
    matches!(expr, Expr::Column(c) if c.name == column)
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(v) | ScalarValue::Utf8View(v) | ScalarValue::LargeUtf8(v), _) => v.clone(),
        _ => None,
    }
}

/// Whether an expression only compares columns with constants: such a condition cannot fail, is cheap on every row,
/// and is worth sharing between the rules that ask the same.
pub(crate) fn is_cheap(expr: &Expr) -> bool {
    let mut cheap = true;
    let _ = expr.apply(|e| {
        cheap = matches!(
            e,
            Expr::Column(_)
                | Expr::Literal(..)
                | Expr::InList(_)
                | Expr::Not(_)
                | Expr::Between(_)
                | Expr::IsNull(_)
                | Expr::IsNotNull(_)
                | Expr::IsTrue(_)
                | Expr::IsFalse(_)
                | Expr::IsUnknown(_)
                | Expr::IsNotTrue(_)
                | Expr::IsNotFalse(_)
                | Expr::IsNotUnknown(_)
        ) || matches!(e, Expr::BinaryExpr(b) if is_comparison(b.op))
            || matches!(e, Expr::Like(like) if is_prefix(like));
        Ok(if cheap { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    cheap
}

/// Whether a LIKE only compares the beginning of a text.
fn is_prefix(like: &Like) -> bool {
    let prefix = text(&like.pattern).and_then(|pattern| pattern.strip_suffix('%').map(str::to_owned));
    !like.case_insensitive
        && like.escape_char.is_none()
        && prefix.is_some_and(|prefix| !prefix.contains(['%', '_', '\\']))
}

/// Columns each of which, where it is null, makes the condition null or false, so that it need not be asked there.
pub(crate) fn strict(condition: &Expr) -> BTreeSet<String> {
    let mut columns = BTreeSet::new();
    let mut strict = true;
    let _ = condition.apply(|e| {
        strict = match e {
            Expr::Column(column) => {
                columns.insert(column.name.clone());
                true
            }
            Expr::Literal(value, _) => !value.is_null(),
            Expr::Not(_) | Expr::Cast(_) | Expr::TryCast(_) | Expr::Like(_) | Expr::SimilarTo(_) => true,
            Expr::BinaryExpr(b) => is_strict(b.op),
            Expr::InList(list) => list.list.iter().all(|e| matches!(e, Expr::Literal(value, _) if !value.is_null())),
            Expr::ScalarFunction(call) => STRICT_FUNCTIONS.contains(&call.name()),
            _ => false,
        };
        Ok(if strict { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    if strict { columns } else { BTreeSet::new() }
}

/// Functions that give null where an argument is null.
const STRICT_FUNCTIONS: [&str; 6] = ["json_text", "lower", "regexp_like", "starts_with", "strpos", "upper"];

fn is_strict(op: Operator) -> bool {
    use Operator::*;
    matches!(
        op,
        Eq | NotEq
            | Lt
            | LtEq
            | Gt
            | GtEq
            | RegexMatch
            | RegexIMatch
            | RegexNotMatch
            | RegexNotIMatch
            | LikeMatch
            | NotLikeMatch
    )
}

fn is_comparison(op: Operator) -> bool {
    use Operator::*;
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | And | Or | IsDistinctFrom | IsNotDistinctFrom)
}
