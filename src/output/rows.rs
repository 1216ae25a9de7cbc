//! Rows of an answer in the format that was asked for, written while they come.

use std::io::{self, BufWriter, Write};

use anyhow::Context;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use super::csv;
use super::layout::Head;
use super::table::Table;
use crate::args::RowsFormat;
use crate::terminal;

/// Where rows go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target {
    /// Columns of the terminal, where it is one.
    pub width: Option<usize>,
}

impl Target {
    /// Standard output as it is now: a terminal can change its size.
    pub fn stdout() -> Self {
        Target { width: terminal::width() }
    }

    fn is_terminal(self) -> bool {
        self.width.is_some()
    }
}

/// Rows on their way out. Nothing is complete before [`Rows::finish`].
pub struct Rows<W: Write + Send> {
    schema: SchemaRef,
    target: Target,
    writer: Writer<W>,
    rows: u64,
}

enum Writer<W: Write + Send> {
    Table(Table, BufWriter<W>),
    Csv(BufWriter<W>),
    Json(BufWriter<W>),
    Parquet(Box<ArrowWriter<W>>),
}

impl<W: Write + Send> Rows<W> {
    /// Begins an answer of these columns.
    pub fn new(format: RowsFormat, schema: SchemaRef, target: Target, out: W) -> anyhow::Result<Self> {
        let writer = match format {
            RowsFormat::Table => {
                let heads = schema.fields().iter().map(|f| head(f.name(), f.data_type())).collect();
                Writer::Table(Table::new(heads, target.width), BufWriter::new(out))
            }
            RowsFormat::Csv => {
                let mut out = BufWriter::new(out);
                let names = schema.fields().iter().map(|f| Some((shown(f.name(), target), true)));
                csv::line(&mut out, names)?;
                Writer::Csv(out)
            }
            RowsFormat::Json => Writer::Json(BufWriter::new(out)),
            RowsFormat::Parquet => {
                refuse_parquet(target)?;
                let properties =
                    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
                Writer::Parquet(Box::new(ArrowWriter::try_new(out, schema.clone(), Some(properties))?))
            }
        };
        Ok(Rows { schema, target, writer, rows: 0 })
    }

    /// Writes a batch.
    pub fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        self.rows += batch.num_rows() as u64;
        match &mut self.writer {
            Writer::Table(table, out) => {
                for cells in cells(batch)? {
                    let clean = |cell: String| terminal::clean(&cell).into_owned();
                    table.row(cells.into_iter().map(|cell| cell.map(clean)).collect(), out)?;
                }
            }
            Writer::Csv(out) => {
                let texts: Vec<bool> = self.schema.fields().iter().map(|f| is_text(f.data_type())).collect();
                for cells in cells(batch)? {
                    let target = self.target;
                    let cells = cells.into_iter().zip(&texts);
                    csv::line(out, cells.map(|(cell, is_text)| cell.map(|cell| (shown(&cell, target), *is_text))))?;
                }
            }
            Writer::Json(out) => out.write_all(json_lines(batch, self.target)?.as_bytes())?,
            Writer::Parquet(writer) => writer.write(batch).map_err(parquet_error)?,
        }
        // Rows that were found are shown, also while the query goes on.
        self.flush()
    }

    /// Ends the answer; gives the number of its rows.
    pub fn finish(mut self) -> anyhow::Result<u64> {
        if let Writer::Table(table, out) = &mut self.writer {
            table.finish(out)?;
        }
        self.flush()?;
        if let Writer::Parquet(writer) = self.writer {
            let mut out = writer.into_inner().map_err(parquet_error)?;
            out.flush()?;
        }
        Ok(self.rows)
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        match &mut self.writer {
            Writer::Table(_, out) | Writer::Csv(out) | Writer::Json(out) => Ok(out.flush()?),
            // Bytes go out with each row group.
            Writer::Parquet(_) => Ok(()),
        }
    }
}

/// Parquet is no text; a terminal would obey some of its bytes.
pub fn refuse_parquet(target: Target) -> anyhow::Result<()> {
    anyhow::ensure!(
        !target.is_terminal(),
        "parquet is not for a terminal: send it to a file, as in `trailhound sql … --format parquet > rows.parquet`"
    );
    Ok(())
}

/// A closed pipe stays recognisable below Parquet's own error.
fn parquet_error(error: datafusion::parquet::errors::ParquetError) -> anyhow::Error {
    match error {
        datafusion::parquet::errors::ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => anyhow::Error::from(*source).context("cannot write Parquet"),
            Err(source) => anyhow::anyhow!("cannot write Parquet: {source}"),
        },
        other => anyhow::Error::from(other).context("cannot write Parquet"),
    }
}

/// Text as it may be shown on this target.
fn shown(text: &str, target: Target) -> String {
    if target.is_terminal() { terminal::clean(text).into_owned() } else { text.to_owned() }
}

fn head(name: &str, kind: &DataType) -> Head {
    let name = terminal::clean(name).into_owned();
    Head { name, right: kind.is_numeric(), text: is_text(kind) || kind.is_nested() }
}

/// Whether a value was chosen by somebody, not computed.
fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        || matches!(kind, DataType::Dictionary(_, value) if is_text(value))
}

/// The cells of a batch as text, row by row; `None` is null. Times are RFC 3339.
pub fn cells(batch: &RecordBatch) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let options = FormatOptions::new()
        .with_display_error(true)
        .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let columns = batch.columns().iter();
    let formatters = columns
        .map(|column| Ok((column, ArrayFormatter::try_new(column.as_ref(), &options)?)))
        .collect::<Result<Vec<_>, arrow::error::ArrowError>>()
        .context("cannot show a column")?;
    let row = |at: usize| {
        let cell = |(column, formatter): &(&arrow::array::ArrayRef, ArrayFormatter<'_>)| {
            (!column.is_null(at)).then(|| formatter.value(at).to_string())
        };
        formatters.iter().map(cell).collect()
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

/// One object a line; nulls are written, so that every line has the same keys.
fn json_lines(batch: &RecordBatch, target: Target) -> anyhow::Result<String> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(batch).context("cannot write rows as JSON")?;
    writer.finish().context("cannot write rows as JSON")?;
    let text = String::from_utf8(writer.into_inner()).context("JSON is text")?;
    Ok(if target.is_terminal() { terminal::clean_json(&text).into_owned() } else { text })
}

#[cfg(test)]
mod tests;
