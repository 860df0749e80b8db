//! Stands in for the formatter.
use super::ast;
/// Placeholder.
pub fn format_rule_matching(r: &ast::Rule) -> String {
    r.name.node.clone()
}
/// Placeholder.
pub fn format_rule(r: &ast::Rule) -> String {
    r.name.node.clone()
}
