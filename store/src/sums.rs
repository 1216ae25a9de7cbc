//! Sums of sums: who adds up what was added up before needs the second addition alone.
//!
//! ```text
//! SELECT account_id, sum(events) FROM activity GROUP BY account_id       activity: sum(events) of its partial counts
//!
//! sum(events) by account ◄─ sum(events) by all columns ◄─ partial counts      becomes
//! sum(events) by account ◄─ partial counts
//! ```
//! The inner sums are as many as there are hours and things that happened in them; to make them takes most of a question's time,
//! and all of its memory. They can be left out where every outer aggregate is the same over the parts: a sum of sums, the least of
//! leasts, the greatest of greatests, and whatever does not mind to see a group's columns twice (`DISTINCT`, least, greatest).
//! Whoever counts rows, or asks for sums that are large enough, gets the sums.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, ExprSchema, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, LogicalPlan, Projection};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};

/// DataFusion's rules, and before them this one.
pub(crate) fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    rules.insert(0, Arc::new(SumsOfSums));
    rules
}

#[derive(Debug)]
struct SumsOfSums;

/// What a column is, between the inner sums and the outer ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Made of the columns by which is grouped: the same in all parts of a group.
    Group,
    Sum,
    Least,
    Greatest,
    Other,
}

impl OptimizerRule for SumsOfSums {
    fn name(&self) -> &str {
        "sums_of_sums"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let input = match &plan {
            LogicalPlan::Aggregate(outer) => &outer.input,
            LogicalPlan::Distinct(Distinct::All(input)) => input,
            _ => return Ok(Transformed::no(plan)),
        };
        let Some(origins) = origins(input) else { return Ok(Transformed::no(plan)) };
        let is_same = match &plan {
            LogicalPlan::Aggregate(outer) => {
                let sees = Sees { input, origins: &origins };
                outer.group_expr.iter().all(|expr| sees.groups_only(expr))
                    && outer.aggr_expr.iter().all(|expr| sees.is_same_over_parts(expr))
            }
            _ => origins.iter().all(|origin| *origin == Origin::Group),
        };
        if !is_same {
            return Ok(Transformed::no(plan));
        }
        let parts = parts(input)?;
        Ok(Transformed::yes(plan.with_new_exprs(plan.expressions(), vec![parts])?))
    }
}

/// What each column of a plan is, if it leads to sums and does nothing on the way that parts of them would not bear.
fn origins(plan: &LogicalPlan) -> Option<Vec<Origin>> {
    match plan {
        LogicalPlan::Aggregate(inner) => of_sums(inner),
        LogicalPlan::SubqueryAlias(alias) => origins(&alias.input),
        LogicalPlan::Filter(filter) => {
            let origins = origins(&filter.input)?;
            Sees { input: &filter.input, origins: &origins }.groups_only(&filter.predicate).then_some(origins)
        }
        LogicalPlan::Projection(projection) => {
            let below = origins(&projection.input)?;
            let sees = Sees { input: &projection.input, origins: &below };
            Some(projection.expr.iter().map(|expr| sees.origin(expr)).collect())
        }
        _ => None,
    }
}

/// The columns of sums; none if they are grouped in several ways, or added up otherwise.
fn of_sums(inner: &Aggregate) -> Option<Vec<Origin>> {
    if inner.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
        return None;
    }
    let mut origins = vec![Origin::Group; inner.group_expr.len()];
    for (expr, field) in inner.aggr_expr.iter().zip(inner.schema.fields().iter().skip(origins.len())) {
        let (function, argument) = plain(expr)?;
        // What is left out must not have changed the type.
        let is_of_type = inner.input.schema().data_type(argument).is_ok_and(|kind| kind == field.data_type());
        origins.push(match (function.func.name(), is_of_type) {
            ("sum", true) => Origin::Sum,
            ("min", true) => Origin::Least,
            ("max", true) => Origin::Greatest,
            _ => return None,
        });
    }
    Some(origins)
}

/// An aggregate of a column and of nothing else.
fn plain(expr: &Expr) -> Option<(&AggregateFunction, &Column)> {
    let Expr::AggregateFunction(function) = bare(expr) else { return None };
    let params = &function.params;
    let is_plain = !params.distinct && params.filter.is_none() && params.order_by.is_empty();
    match params.args.as_slice() {
        [Expr::Column(argument)] if is_plain => Some((function, argument)),
        _ => None,
    }
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        expr => expr,
    }
}

/// Expressions over a plan whose columns are known.
struct Sees<'p> {
    input: &'p LogicalPlan,
    origins: &'p [Origin],
}

impl Sees<'_> {
    fn column(&self, column: &Column) -> Origin {
        let place = self.input.schema().maybe_index_of_column(column);
        place.and_then(|place| self.origins.get(place).copied()).unwrap_or(Origin::Other)
    }

    fn origin(&self, expr: &Expr) -> Origin {
        match bare(expr) {
            Expr::Column(column) => self.column(column),
            expr if self.groups_only(expr) => Origin::Group,
            _ => Origin::Other,
        }
    }

    /// Whether an expression is the same for all parts of a group: made of the group's columns, without subqueries and chance.
    fn groups_only(&self, expr: &Expr) -> bool {
        let is_of_group = expr.column_refs().into_iter().all(|column| self.column(column) == Origin::Group);
        let looks_elsewhere = expr.exists(|part| {
            Ok(matches!(part, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)))
        });
        is_of_group && !expr.is_volatile() && !looks_elsewhere.unwrap_or(true)
    }

    /// Whether an outer aggregate is the same over sums and over their parts.
    fn is_same_over_parts(&self, expr: &Expr) -> bool {
        let Expr::AggregateFunction(function) = bare(expr) else { return false };
        let params = &function.params;
        let order = params.order_by.iter().map(|sort| &sort.expr);
        if !order.chain(params.filter.as_deref()).all(|expr| self.groups_only(expr)) {
            return false;
        }
        let all_of_group = params.args.iter().all(|argument| self.groups_only(argument));
        let only = match params.args.as_slice() {
            [argument] => self.origin(argument),
            _ => Origin::Other,
        };
        match (function.func.name(), only) {
            ("sum", Origin::Sum) | ("min", Origin::Least) | ("max", Origin::Greatest) => !params.distinct,
            ("min" | "max", Origin::Group) => true,
            _ => params.distinct && all_of_group,
        }
    }
}

/// The same plan over the parts: what was added up goes by under its name.
fn parts(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Aggregate(inner) = plan else {
        let input = parts(plan.inputs()[0])?;
        return plan.with_new_exprs(plan.expressions(), vec![input]);
    };
    let aggregated = inner.aggr_expr.iter().filter_map(plain).map(|(_, argument)| Expr::Column(argument.clone()));
    let columns = inner.group_expr.iter().cloned().chain(aggregated);
    let named = columns.zip(inner.schema.iter()).map(|(column, (qualifier, field))| match &column {
        Expr::Column(same) if same.relation.as_ref() == qualifier && same.name == *field.name() => column,
        _ => column.alias_qualified(qualifier.cloned(), field.name()),
    });
    Ok(LogicalPlan::Projection(Projection::try_new(named.collect(), inner.input.clone())?))
}

#[cfg(test)]
mod tests;
