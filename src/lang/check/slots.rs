//! What is read of each event type: a field gets a slot in the decoded event when the first rule reads it.

use crate::schema::{Schema, TypeId};

/// The fields that have a slot, by type.
#[derive(Debug, Default)]
pub(super) struct Slots {
    fields: Vec<Vec<usize>>,
}

impl Slots {
    pub(super) fn new(schema: &Schema) -> Slots {
        Slots { fields: vec![Vec::new(); schema.types.len()] }
    }

    /// The slot of a declared field.
    pub(super) fn of(&mut self, type_id: TypeId, field: usize) -> u16 {
        let fields = &mut self.fields[type_id.index()];
        let slot = fields.iter().position(|other| *other == field).unwrap_or_else(|| {
            fields.push(field);
            fields.len() - 1
        });
        u16::try_from(slot).expect("a file of 1 MiB declares fewer fields")
    }

    /// Room for a type that was declared later.
    pub(super) fn declare(&mut self) {
        self.fields.push(Vec::new());
    }

    /// The fields of a type that have a slot, in the order of their slots.
    pub(super) fn fields(&self, type_id: TypeId) -> &[usize] {
        &self.fields[type_id.index()]
    }

    /// By type, the declared fields in the order of their slots.
    pub(super) fn into_fields(self) -> Vec<Vec<usize>> {
        self.fields
    }
}
