//! `in_network(ip, network)`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{Accepts, BadArgument, Definition, Group, Occurs, Param, ResultType, text};
use crate::event::Value;
use crate::lang::types::Type;

pub(super) static DEFINITION: Definition = Definition {
    name: "in_network",
    group: Group::Network,
    params: &[
        Param { name: "ip", accepts: Accepts::Ip, occurs: Occurs::Once },
        Param { name: "network", accepts: Accepts::TextConstant, occurs: Occurs::Once },
    ],
    result: ResultType::Of(Type::Boolean),
    doc: "Whether the address is in the network, which is written as address/prefix. An IPv4 address is in no IPv6 \
          network; one that is mapped into IPv6 (`::ffff:10.0.0.1`) counts as IPv4.",
    examples: &[
        (r#"in_network("10.1.2.3", "10.0.0.0/8")"#, "true"),
        (r#"in_network("::ffff:10.1.2.3", "10.0.0.0/8")"#, "true"),
        (r#"in_network("10.1.2.3", "::/0")"#, "false"),
    ],
    prepare: |constants| {
        let network =
            Network::read(text::constant(constants, 1)?).map_err(|reason| BadArgument { index: 1, reason })?;
        Ok(Arc::new(move |args| match args {
            [Value::Ip(ip), _] => Value::Boolean(network.contains(*ip)),
            _ => Value::Missing,
        }))
    },
};

/// A network of either version: the addresses whose first bits are these.
struct Network {
    is_ipv4: bool,
    first_bits: u128,
    mask: u128,
}

impl Network {
    fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.is_ipv4 && left_aligned(ip) & self.mask == self.first_bits
    }

    fn read(written: &str) -> Result<Network, String> {
        let (address, prefix) = split(written)?;
        let bits = left_aligned(address);
        let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
        if bits & !mask == 0 {
            return Ok(Network { is_ipv4: address.is_ipv4(), first_bits: bits, mask });
        }
        let network = from_left_aligned(bits & mask, address.is_ipv4());
        Err(format!("`{written}` has bits set after its prefix; the network is `{network}/{prefix}`"))
    }
}

/// The address and the prefix of `10.0.0.0/8`; those of a network of mapped addresses as IPv4.
fn split(written: &str) -> Result<(IpAddr, u32), String> {
    let no_network = || format!("`{written}` is no network; one is written as `10.0.0.0/8` or `2001:db8::/32`");
    let Some((address, prefix)) = written.split_once('/') else {
        let address: IpAddr = written.parse().map_err(|_| no_network())?;
        return Err(format!("`{written}` has no prefix; this one address is `{written}/{}`", length(address)));
    };
    let address: IpAddr = address.parse().map_err(|_| no_network())?;
    if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(no_network());
    }
    match prefix.parse() {
        Ok(prefix) if prefix <= length(address) => Ok(unmapped(address, prefix)),
        _ => Err(format!("`{written}` is no network: the prefix is 0 to {}", length(address))),
    }
}

/// A prefix that leaves the 96 bits of the mapping open is a network of IPv6.
fn unmapped(address: IpAddr, prefix: u32) -> (IpAddr, u32) {
    match (address.to_canonical(), prefix.checked_sub(96)) {
        (IpAddr::V4(inner), Some(inner_prefix)) if address.is_ipv6() => (IpAddr::V4(inner), inner_prefix),
        _ => (address, prefix),
    }
}

/// How many bits an address has.
fn length(address: IpAddr) -> u32 {
    if address.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS }
}

/// The bits from the left, so that a prefix means the same in both versions.
fn left_aligned(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn from_left_aligned(bits: u128, is_ipv4: bool) -> IpAddr {
    if is_ipv4 {
        let bits = u32::try_from(bits >> 96).expect("32 of 128 bits are left");
        IpAddr::V4(Ipv4Addr::from_bits(bits))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{gives, refuses, text};
    use super::DEFINITION;
    use crate::event::Value;

    fn ip(written: &str) -> Value {
        Value::Ip(written.parse().expect("an address"))
    }

    fn is_in(address: &str, network: &str, expected: bool) {
        gives(&DEFINITION, &[ip(address), text(network)], &Value::Boolean(expected));
    }

    #[test]
    fn a_network_ends_where_its_prefix_says() {
        is_in("10.255.255.255", "10.0.0.0/8", true);
        is_in("11.0.0.0", "10.0.0.0/8", false);
        is_in("192.0.2.129", "192.0.2.128/25", true);
        is_in("192.0.2.127", "192.0.2.128/25", false);
        is_in("2001:db8:ffff::1", "2001:db8::/32", true);
        is_in("2001:db9::", "2001:db8::/32", false);
    }

    #[test]
    fn the_prefix_can_be_none_or_all_of_the_bits() {
        is_in("203.0.113.9", "0.0.0.0/0", true);
        is_in("203.0.113.9", "203.0.113.9/32", true);
        is_in("203.0.113.8", "203.0.113.9/32", false);
        is_in("::2", "::/0", true);
        is_in("::2", "::1/128", false);
    }

    #[test]
    fn the_versions_are_apart_and_mapped_addresses_are_ipv4() {
        is_in("0.0.0.1", "::/0", false);
        is_in("::1", "0.0.0.0/0", false);
        is_in("::ffff:10.0.0.1", "10.0.0.0/8", true);
        is_in("10.0.0.1", "::ffff:10.0.0.0/104", true);
        is_in("10.0.0.1", "::ffff:0:0/96", true);
    }

    #[test]
    fn bits_after_the_prefix_are_refused_with_the_network() {
        let refused = |network: &str, reason: &str| refuses(&DEFINITION, &[ip("::"), text(network)], 1, reason);
        refused("10.0.0.1/8", "`10.0.0.1/8` has bits set after its prefix; the network is `10.0.0.0/8`");
        refused("10.0.0.1/0", "`10.0.0.1/0` has bits set after its prefix; the network is `0.0.0.0/0`");
        refused("2001:db8::1/32", "`2001:db8::1/32` has bits set after its prefix; the network is `2001:db8::/32`");
        refused(
            "::ffff:10.0.0.1/104",
            "`::ffff:10.0.0.1/104` has bits set after its prefix; the network is `10.0.0.0/8`",
        );
    }

    #[test]
    fn what_is_no_network_is_refused() {
        let refused = |network: &str, reason: &str| refuses(&DEFINITION, &[ip("::"), text(network)], 1, reason);
        refused("10.0.0.1", "`10.0.0.1` has no prefix; this one address is `10.0.0.1/32`");
        refused("::1", "`::1` has no prefix; this one address is `::1/128`");
        refused("10.0.0.0/33", "`10.0.0.0/33` is no network: the prefix is 0 to 32");
        refused("::/999999999999", "`::/999999999999` is no network: the prefix is 0 to 128");
        for written in ["", "office", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.0/-1"] {
            let reason = format!("`{written}` is no network; one is written as `10.0.0.0/8` or `2001:db8::/32`");
            refused(written, &reason);
        }
    }
}
