//! Takes alerts as rows, many in a statement, and finds the one that a statement fails for.
//!
//! A statement is a transaction by itself. One whose answer is lost may have been done: the same rows again add nothing.

use std::ops::Range;

use tokio_postgres::types::Type;

use crate::alert::AlertRecord;
use crate::sink::carrier::{Carrier, Refused, Setback, Taken, Trouble};
use crate::sink::postgres::client::{Client, Connection, Parameters};
use crate::sink::postgres::error::{ClientError, Meaning};
use crate::sink::postgres::rows::{Row, column};
use crate::sink::postgres::settings::PostgresSettings;
use crate::sink::postgres::table::{COLUMNS, COLUMNS_OF, MAY_CREATE, Table};
use crate::sink::setting_error::SettingError;

/// The most bytes of a statement's values, but for one alert that is larger.
const STATEMENT_BYTES_MAX: usize = 8 << 20;

/// Inserts alerts into a table.
pub(in crate::sink) struct Postgres {
    client: Client,
    insert: String,
    pace: Pace,
    create: bool,
    /// The connection, once the table was looked at. One that an error came over is left.
    kept: Option<Connection>,
}

/// How many rows a statement has, so that a server with slow triggers keeps up with what is asked of it: the same rows in
/// the same time-out would fail for ever.
#[derive(Debug)]
struct Pace {
    rows: usize,
    /// What the settings allow.
    most: usize,
}

impl Pace {
    /// A statement took too long.
    fn lost(&mut self) {
        self.rows = (self.rows / 2).max(1);
    }

    /// Statements of this size are done in time: slowly more, so that not every other one is too long.
    fn kept(&mut self) {
        self.rows = (self.rows + self.rows / 8 + 1).min(self.most);
    }
}

/// What is there of the table.
enum Found {
    Table,
    Nothing,
}

impl Postgres {
    /// Checks the settings and reads the certificates; connects to nothing yet.
    pub(in crate::sink) fn new(settings: &PostgresSettings) -> Result<Postgres, Vec<SettingError>> {
        let resolved = settings.resolve()?;
        let insert = resolved.table.insert();
        let client = Client::new(resolved, settings.ca_file.as_deref(), settings.timeout).map_err(|problem| {
            vec![SettingError::new("ca_file", problem, "name a PEM file of the authorities that vouch for the server")]
        })?;
        let pace = Pace { rows: settings.batch, most: settings.batch };
        Ok(Postgres { client, insert, pace, create: settings.create, kept: None })
    }

    /// Whether the server and the table are there, in words. Nothing is written.
    pub(in crate::sink) async fn probe(&mut self) -> Result<String, String> {
        let address = self.client.settings.address.clone();
        self.visit().await.map_err(|error| format!("{address}: {error}"))
    }

    async fn visit(&self) -> Result<String, ClientError> {
        let connection = self.client.connect().await?;
        let table = self.table();
        let found = match self.look(&connection).await? {
            // The server plans the statement, for which it looks at types, rights and the unique key, and does not run it.
            Found::Table => {
                self.run(&connection, &format!("explain {}", self.insert), &[]).await?;
                format!("table {table} takes alerts")
            }
            Found::Nothing if self.create && may_create(&connection, table).await? => {
                format!("table {table} does not exist yet and will be made")
            }
            Found::Nothing if self.create => return Err(ClientError::MayNotCreate(table.clone())),
            Found::Nothing => return Err(ClientError::NoTable(table.clone())),
        };
        let address = &self.client.settings.address;
        Ok(format!("{address} is PostgreSQL {}, {found} (nothing was written)", connection.version))
    }

    fn table(&self) -> &Table {
        &self.client.settings.table
    }

    /// The kept connection, or a new one whose table is there.
    async fn connection(&mut self) -> Result<Connection, ClientError> {
        if let Some(kept) = self.kept.take().filter(Connection::is_open) {
            return Ok(kept);
        }
        let connection = self.client.connect().await?;
        match self.look(&connection).await? {
            Found::Table => {}
            Found::Nothing if self.create => {
                connection.execute(&self.table().create(), &[]).await?;
            }
            Found::Nothing => return Err(ClientError::NoTable(self.table().clone())),
        }
        Ok(connection)
    }

    /// Looks whether the table has our columns. What else is wrong with it the server says better.
    async fn look(&self, connection: &Connection) -> Result<Found, ClientError> {
        let answers = connection.query(COLUMNS_OF, &[(&self.table().to_string(), Type::TEXT)]).await?;
        let present: Vec<String> = answers.iter().map(|answer| answer.try_get(0)).collect::<Result<_, _>>()?;
        if present.is_empty() {
            return Ok(Found::Nothing);
        }
        let missing = Table::missing(&present);
        if missing.is_empty() { Ok(Found::Table) } else { Err(ClientError::NoColumn(self.table().clone(), missing)) }
    }

    /// Runs the insertion, or a statement around it.
    async fn run(&self, connection: &Connection, statement: &str, rows: &[Row]) -> Result<u64, ClientError> {
        let columns: [Vec<Option<&str>>; COLUMNS.len()] = std::array::from_fn(|index| column(rows, index));
        let parameters = columns.each_ref().map(|column| (column as _, Type::TEXT_ARRAY));
        let parameters: &Parameters<'_> = &parameters;
        connection.execute(statement, parameters).await
    }

    /// Inserts all rows but those that the server will never take. A statement that fails for one of its rows is halved until
    /// the row stands alone.
    async fn insert(&self, connection: &Connection, rows: &[Row]) -> Result<Taken, ClientError> {
        let mut taken = Taken::default();
        let mut ranges = statements(rows, self.pace.rows);
        ranges.reverse();
        while let Some(range) = ranges.pop() {
            match self.run(connection, &self.insert, &rows[range.clone()]).await {
                Ok(added) => taken.repeats += (range.len() as u64).saturating_sub(added),
                Err(error) if error.meaning() != Meaning::Row => return Err(error),
                Err(error) if range.len() == 1 => {
                    let reason = format!("{}: {error}", self.client.settings.address);
                    taken.refused.push(Refused { index: range.start, reason });
                }
                Err(_) => {
                    let middle = range.start + range.len() / 2;
                    ranges.extend([middle..range.end, range.start..middle]);
                }
            }
        }
        Ok(taken)
    }

    fn trouble(&self, error: &ClientError) -> Trouble {
        let reason = format!("{}: {error}", self.client.settings.address);
        match error.meaning() {
            Meaning::Later => Trouble::Later(Setback::new(reason)),
            // Of a row that is not of ours: somebody else made the table in the same moment.
            Meaning::Away | Meaning::Row => Trouble::Away(Setback::new(reason)),
            Meaning::Person => Trouble::Unusable(reason),
        }
    }
}

impl Carrier for Postgres {
    fn batch_max(&self) -> usize {
        self.pace.most
    }

    async fn deliver(&mut self, alerts: &[&AlertRecord]) -> Result<Taken, Trouble> {
        let rows: Vec<Row> = alerts.iter().map(|alert| Row::new(alert)).collect();
        let connection = self.connection().await.map_err(|error| self.trouble(&error))?;
        match self.insert(&connection, &rows).await {
            Ok(taken) => {
                self.pace.kept();
                self.kept = Some(connection);
                Ok(taken)
            }
            Err(error) => {
                if error.is_slowness() {
                    self.pace.lost();
                }
                Err(self.trouble(&error))
            }
        }
    }
}

async fn may_create(connection: &Connection, table: &Table) -> Result<bool, ClientError> {
    let answers = connection.query(MAY_CREATE, &[(&table.schema, Type::TEXT)]).await?;
    let may: Option<bool> = answers.first().map(|answer| answer.try_get(0)).transpose()?.flatten();
    Ok(may.unwrap_or(false))
}

/// The rows of each statement, in order.
fn statements(rows: &[Row], batch: usize) -> Vec<Range<usize>> {
    let mut statements: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, row) in rows.iter().enumerate() {
        bytes += row.bytes();
        match statements.last_mut().filter(|last| last.len() < batch && bytes <= STATEMENT_BYTES_MAX) {
            Some(last) => last.end = index + 1,
            None => {
                bytes = row.bytes();
                statements.push(index..index + 1);
            }
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::tests::record;

    #[test]
    fn a_pace_falls_fast_to_one_row_and_rises_slowly() {
        let mut pace = Pace { rows: 500, most: 500 };
        let mut rows = Vec::new();
        for _ in 0..10 {
            pace.lost();
            rows.push(pace.rows);
        }
        assert_eq!(rows, [250, 125, 62, 31, 15, 7, 3, 1, 1, 1]);
        let needed = (1..=500).find(|_| {
            pace.kept();
            pace.rows == 500
        });
        assert_eq!(needed, Some(38));
    }

    #[test]
    fn a_statement_has_so_many_rows_and_bytes() {
        let rows: Vec<Row> = (0..5).map(|n| Row::new(&record(n))).collect();
        assert_eq!(statements(&rows, 2), [0..2, 2..4, 4..5]);
        assert_eq!(statements(&rows, 4), [0..4, 4..5]);
        assert!(statements(&[], 5).is_empty());
        let large = |n| AlertRecord { message: "x".repeat(STATEMENT_BYTES_MAX / 3), ..record(n) };
        let rows: Vec<Row> = (0..4).map(|n| Row::new(&large(n))).collect();
        assert_eq!(statements(&rows, 100), [0..2, 2..4]);
        let huge = AlertRecord { message: "x".repeat(STATEMENT_BYTES_MAX), ..record(9) };
        let rows = [Row::new(&record(1)), Row::new(&huge), Row::new(&record(2))];
        assert_eq!(statements(&rows, 100), [0..1, 1..2, 2..3]);
    }
}
