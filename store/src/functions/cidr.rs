//! `cidr_contains(cidr, ip)`: is the address in the network? False for what is neither.

use std::net::IpAddr;
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::DataType;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use super::text::Texts;

/// A network: its first address and the number of bits that all its addresses share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    first: IpAddr,
    bits: u32,
}

impl Network {
    /// `10.0.0.0/8`, `2001:db8::/32`, or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, bits) = match text.trim().split_once('/') {
            Some((first, bits)) => (first, Some(bits.parse().ok()?)),
            None => (text.trim(), None),
        };
        let first: IpAddr = first.parse().ok()?;
        let whole = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(whole);
        (bits <= whole).then_some(Self { first, bits })
    }

    pub fn contains(self, ip: IpAddr) -> bool {
        let differ = |a: u128, b: u128, width: u32| match self.bits {
            0 => false,
            bits => (a ^ b) >> (width - bits) != 0,
        };
        match (self.first, ip.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => !differ(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => !differ(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

pub(super) fn function() -> ScalarUDF {
    let call = |args: &[ColumnarValue]| {
        let texts = Texts::new(args)?;
        let constant = texts.constant(0).map(Network::parse);
        let found = (0..texts.rows).map(|row| {
            let network = constant.unwrap_or_else(|| Network::parse(texts.get(0, row)?));
            let ip: Option<IpAddr> = texts.get(1, row).and_then(|ip| ip.trim().parse().ok());
            Some(network.zip(ip).is_some_and(|(network, ip)| network.contains(ip)))
        });
        Ok(ColumnarValue::Array(Arc::new(found.collect::<BooleanArray>())))
    };
    let text = DataType::Utf8View;
    create_udf("cidr_contains", vec![text.clone(), text], DataType::Boolean, Volatility::Immutable, Arc::new(call))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let contains = |cidr, ip: &str| Network::parse(cidr).is_some_and(|n| n.contains(ip.parse().unwrap()));
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(contains("203.0.113.9", "203.0.113.9"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.1.1"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        for nonsense in ["10.0.0.0/33", "10.0.0/8", "", "x/1", "10.0.0.0/-1"] {
            assert!(Network::parse(nonsense).is_none(), "{nonsense}");
        }
    }
}
