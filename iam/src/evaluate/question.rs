//! One line of a `Condition` block, ready to be asked of a request.
//!
//! After IAM User Guide, "IAM JSON policy elements: Condition operators" and "Multivalued context keys". What cannot be
//! told (a key that is unknown, an operator that does not exist, a value that its operator cannot read) is `Unknown`.

use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

use super::context::{Knowledge, Known};
use super::template::Template;
use super::truth::Truth;
use crate::condition::Condition;

#[derive(Clone, Debug)]
pub(super) struct Question {
    /// In lower case.
    pub key: String,
    quantifier: Quantifier,
    comparison: Comparison,
    negated: bool,
    if_exists: bool,
    operands: Vec<Operand>,
}

/// How many of a key's values have to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    /// None is written: the key has one value.
    One,
    Every,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    /// Text, with wildcards if the operands have them.
    Text {
        ignoring_case: bool,
    },
    Number(Order),
    Date(Order),
    Bool,
    Address,
    Arn,
    Binary,
    /// Whether the key is absent.
    Null,
    /// No operator of IAM.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value of the policy, read as its operator wants it.
#[derive(Clone, Debug)]
enum Operand {
    Template(Template),
    Number(f64),
    Time(Timestamp),
    Bool(bool),
    Net(IpNet),
    Text(String),
    /// Not of the operator's type.
    Unreadable,
}

impl Question {
    /// `variables` says whether the document has policy variables.
    pub fn new(condition: &Condition, variables: bool) -> Question {
        let operator = condition.operator.to_ascii_lowercase();
        let (quantifier, name) = match operator.split_once(':') {
            Some(("forallvalues", name)) => (Quantifier::Every, name),
            Some(("foranyvalue", name)) => (Quantifier::Any, name),
            _ => (Quantifier::One, operator.as_str()),
        };
        let (name, if_exists) = match name.strip_suffix("ifexists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (comparison, negated, wildcards) = operator_named(name);
        let read = |value: &String| operand(value, comparison, wildcards, variables);
        Question {
            key: condition.key.to_ascii_lowercase(),
            quantifier,
            comparison,
            negated,
            if_exists,
            operands: condition.values.iter().map(read).collect(),
        }
    }

    pub fn ask(&self, knowledge: Knowledge<'_>) -> Truth {
        if self.comparison == Comparison::Nothing {
            return Truth::Unknown;
        }
        let values = match knowledge.look_up(&self.key) {
            Known::Unknown => return Truth::Unknown,
            Known::Absent => return self.of_absent_key(),
            Known::Values(values) => values,
        };
        if self.comparison == Comparison::Null {
            return self.wants_absence(false);
        }
        let fits = values.iter().map(|value| {
            let fits = Truth::any(self.operands.iter().map(|operand| self.compare(operand, value, knowledge)));
            if self.negated { fits.not() } else { fits }
        });
        match (self.quantifier, self.negated) {
            (Quantifier::Every, _) | (Quantifier::One, true) => Truth::all(fits),
            (Quantifier::Any, _) | (Quantifier::One, false) => Truth::any(fits),
        }
    }

    /// The keys that would have to be known, beside the question's own.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.operands.iter().flat_map(|operand| {
            match operand {
                Operand::Template(template) => Some(template.keys()),
                _ => None,
            }
            .into_iter()
            .flatten()
        })
    }

    /// A key that is absent fits nothing, so that negated operators are met and others are not, unless the operator says
    /// what to do: `…IfExists` and `ForAllValues:` are met, `ForAnyValue:` is not.
    fn of_absent_key(&self) -> Truth {
        match (self.comparison, self.quantifier) {
            (Comparison::Null, _) => self.wants_absence(true),
            _ if self.if_exists => Truth::True,
            (_, Quantifier::Every) => Truth::True,
            (_, Quantifier::Any) => Truth::False,
            (_, Quantifier::One) => self.negated.into(),
        }
    }

    fn wants_absence(&self, absent: bool) -> Truth {
        Truth::any(self.operands.iter().map(|operand| match operand {
            Operand::Bool(wanted) => (*wanted == absent).into(),
            _ => Truth::Unknown,
        }))
    }

    fn compare(&self, operand: &Operand, value: &str, knowledge: Knowledge<'_>) -> Truth {
        let read = |fits: Option<bool>| fits.map_or(Truth::Unknown, Truth::from);
        match (self.comparison, operand) {
            (Comparison::Text { ignoring_case: false }, Operand::Template(t)) => {
                t.fits(knowledge, |g| g.matches(value))
            }
            (Comparison::Text { ignoring_case: true }, Operand::Template(t)) => {
                t.fits(knowledge, |g| g.matches_ignoring_case(value))
            }
            (Comparison::Arn, Operand::Template(t)) => t.fits(knowledge, |g| g.matches_arn(value)),
            (Comparison::Number(order), Operand::Number(n)) => {
                read(number(value).and_then(|v| v.partial_cmp(n)).map(|found| order.admits(found)))
            }
            (Comparison::Date(order), Operand::Time(t)) => read(time(value).map(|v| order.admits(v.cmp(t)))),
            (Comparison::Bool, Operand::Bool(wanted)) => boolean(value).is_some_and(|v| v == *wanted).into(),
            (Comparison::Address, Operand::Net(net)) => read(value.parse::<IpAddr>().ok().map(|a| net.contains(&a))),
            (Comparison::Binary, Operand::Text(wanted)) => (value == wanted).into(),
            _ => Truth::Unknown,
        }
    }
}

impl Order {
    fn admits(self, found: Ordering) -> bool {
        match self {
            Order::Equal => found.is_eq(),
            Order::Less => found.is_lt(),
            Order::LessOrEqual => found.is_le(),
            Order::Greater => found.is_gt(),
            Order::GreaterOrEqual => found.is_ge(),
        }
    }
}

/// What an operator compares, whether it is negated, and whether its values have wildcards; named in lower case, without
/// `ForAllValues:`, `ForAnyValue:` and `IfExists`.
fn operator_named(name: &str) -> (Comparison, bool, bool) {
    use Comparison::{Address, Arn, Binary, Bool, Date, Nothing, Null, Number, Text};
    let exact = Text { ignoring_case: false };
    let loose = Text { ignoring_case: true };
    match name {
        "stringequals" => (exact, false, false),
        "stringnotequals" => (exact, true, false),
        "stringequalsignorecase" => (loose, false, false),
        "stringnotequalsignorecase" => (loose, true, false),
        "stringlike" => (exact, false, true),
        "stringnotlike" => (exact, true, true),
        "numericequals" => (Number(Order::Equal), false, false),
        "numericnotequals" => (Number(Order::Equal), true, false),
        "numericlessthan" => (Number(Order::Less), false, false),
        "numericlessthanequals" => (Number(Order::LessOrEqual), false, false),
        "numericgreaterthan" => (Number(Order::Greater), false, false),
        "numericgreaterthanequals" => (Number(Order::GreaterOrEqual), false, false),
        "dateequals" => (Date(Order::Equal), false, false),
        "datenotequals" => (Date(Order::Equal), true, false),
        "datelessthan" => (Date(Order::Less), false, false),
        "datelessthanequals" => (Date(Order::LessOrEqual), false, false),
        "dategreaterthan" => (Date(Order::Greater), false, false),
        "dategreaterthanequals" => (Date(Order::GreaterOrEqual), false, false),
        "bool" => (Bool, false, false),
        "ipaddress" => (Address, false, false),
        "notipaddress" => (Address, true, false),
        // Both take wildcards: "The ArnEquals and ArnLike condition operators behave identically."
        "arnequals" | "arnlike" => (Arn, false, true),
        "arnnotequals" | "arnnotlike" => (Arn, true, true),
        "binaryequals" => (Binary, false, false),
        "null" => (Null, false, false),
        _ => (Nothing, false, false),
    }
}

fn operand(value: &str, comparison: Comparison, wildcards: bool, variables: bool) -> Operand {
    let read = match comparison {
        Comparison::Text { .. } | Comparison::Arn => {
            Some(Operand::Template(Template::new(value, wildcards, variables)))
        }
        Comparison::Number(_) => number(value).map(Operand::Number),
        Comparison::Date(_) => time(value).map(Operand::Time),
        Comparison::Bool | Comparison::Null => boolean(value).map(Operand::Bool),
        Comparison::Address => net(value).map(Operand::Net),
        Comparison::Binary => Some(Operand::Text(value.to_owned())),
        Comparison::Nothing => None,
    };
    read.unwrap_or(Operand::Unreadable)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|n: &f64| n.is_finite())
}

/// ISO 8601, a date alone (its first moment in UTC), or seconds since 1970.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).ok();
    }
    text.parse().ok().or_else(|| {
        let day: Date = text.parse().ok()?;
        Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()
    })
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn net(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
