//! Taking conditions out of a WHERE, one after the other: a condition that no case misses is not tested.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Select, Statement, UnaryOperator, Value, Visit, VisitMut, Visitor, VisitorMut,
};

/// A WHERE without one of its conditions.
pub(crate) struct Mutant {
    /// The condition that was taken out, as SQL.
    pub without: String,
    pub statement: Statement,
}

/// One mutant for every operand of every AND and OR of every WHERE, nested ones too; an `IN` list is one condition.
pub(crate) fn mutants(statement: &Statement) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (place, condition) in selections(statement).iter().enumerate() {
        let mut reduced = reductions(condition);
        if operands(condition).is_none() {
            reduced.push((condition.to_string(), Expr::Value(Value::Boolean(true).into())));
        }
        for (without, condition) in reduced {
            let mut statement = statement.clone();
            let _ = VisitMut::visit(&mut statement, &mut Setter { left: place, condition: Some(condition) });
            mutants.push(Mutant { without, statement });
        }
    }
    mutants
}

/// The conditions that the WHERE joins by AND, each with its text and as a statement's only condition.
pub(crate) fn conditions(statement: &Statement) -> Vec<(String, Statement)> {
    let Some(condition) = selections(statement).into_iter().next() else { return Vec::new() };
    let parts = match operands(&condition) {
        Some((BinaryOperator::And, parts)) => parts,
        _ => vec![&condition],
    };
    let alone = |part: &Expr| {
        let mut statement = statement.clone();
        let _ = VisitMut::visit(&mut statement, &mut Setter { left: 0, condition: Some(part.clone()) });
        (part.to_string(), statement)
    };
    parts.into_iter().map(alone).collect()
}

/// What remains of a condition if one part of it goes, with that part's text.
fn reductions(condition: &Expr) -> Vec<(String, Expr)> {
    match condition {
        Expr::Nested(inner) => wrap(reductions(inner), |e| Expr::Nested(Box::new(e))),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            wrap(reductions(expr), |e| Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(e) })
        }
        _ => match operands(condition) {
            None => Vec::new(),
            Some((op, parts)) => {
                let mut out = Vec::new();
                for (i, part) in parts.iter().enumerate() {
                    let others = || parts.iter().enumerate().filter(move |(j, _)| *j != i).map(|(_, p)| (*p).clone());
                    out.push((part.to_string(), chain(&op, others())));
                    for (without, rest) in reductions(part) {
                        let kept =
                            parts.iter().enumerate().map(|(j, p)| if j == i { rest.clone() } else { (*p).clone() });
                        out.push((without, chain(&op, kept)));
                    }
                }
                out
            }
        },
    }
}

fn wrap(reduced: Vec<(String, Expr)>, wrapper: impl Fn(Expr) -> Expr) -> Vec<(String, Expr)> {
    reduced.into_iter().map(|(without, e)| (without, wrapper(e))).collect()
}

/// The operands of a chain of ANDs or of ORs.
fn operands(condition: &Expr) -> Option<(BinaryOperator, Vec<&Expr>)> {
    let Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } = condition else { return None };
    let mut parts = Vec::new();
    collect(condition, op, &mut parts);
    Some((op.clone(), parts))
}

fn collect<'e>(condition: &'e Expr, chain: &BinaryOperator, parts: &mut Vec<&'e Expr>) {
    match condition {
        Expr::BinaryOp { left, op, right } if op == chain => {
            collect(left, chain, parts);
            collect(right, chain, parts);
        }
        other => parts.push(other),
    }
}

/// A chain has two operands or more, so one less leaves at least one. Operands keep their own parentheses.
fn chain(op: &BinaryOperator, parts: impl Iterator<Item = Expr>) -> Expr {
    parts
        .reduce(|left, right| Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) })
        .unwrap_or_else(|| Expr::Value(Value::Boolean(true).into()))
}

/// The conditions of all WHEREs, in the order in which SELECTs are visited.
fn selections(statement: &Statement) -> Vec<Expr> {
    struct Getter(Vec<Expr>);
    impl Visitor for Getter {
        type Break = ();
        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            self.0.extend(select.selection.clone());
            ControlFlow::Continue(())
        }
    }
    let mut getter = Getter(Vec::new());
    let _ = statement.visit(&mut getter);
    getter.0
}

/// Puts a condition in the place of one of them.
struct Setter {
    /// WHEREs before it.
    left: usize,
    condition: Option<Expr>,
}

impl VisitorMut for Setter {
    type Break = ();
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if select.selection.is_none() {
            return ControlFlow::Continue(());
        }
        if self.left == 0 {
            select.selection = self.condition.take();
            return ControlFlow::Break(());
        }
        self.left -= 1;
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    fn check(condition: &str, expected: &[(&str, &str)]) {
        let statement = Parser::parse_sql(&GenericDialect {}, &format!("SELECT a FROM events WHERE {condition}"))
            .unwrap()
            .remove(0);
        let got: Vec<(String, String)> =
            mutants(&statement).into_iter().map(|m| (m.without, selections(&m.statement)[0].to_string())).collect();
        let got: Vec<(&str, &str)> = got.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(got, expected, "{condition}");
    }

    #[test]
    fn every_operand_is_taken_out_once() {
        check("a = 1", &[("a = 1", "true")]);
        check(
            "a = 1 AND b IN ('x', 'y') AND c",
            &[
                ("a = 1", "b IN ('x', 'y') AND c"),
                ("b IN ('x', 'y')", "a = 1 AND c"),
                ("c", "a = 1 AND b IN ('x', 'y')"),
            ],
        );
        check(
            "a AND (b OR NOT (c AND d))",
            &[
                ("a", "(b OR NOT (c AND d))"),
                ("(b OR NOT (c AND d))", "a"),
                ("b", "a AND (NOT (c AND d))"),
                ("NOT (c AND d)", "a AND (b)"),
                ("c", "a AND (b OR NOT (d))"),
                ("d", "a AND (b OR NOT (c))"),
            ],
        );
    }
}
