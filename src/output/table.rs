//! Rows as a table while they come.
//!
//! The first rows decide how wide the columns are; later ones are printed as they come, so that a long answer needs no
//! memory. On a terminal a table is never wider than it: long cells are cut, and where there are too many columns
//! each row stands for itself, one column a line. In a file or a pipe nothing is cut.

use std::io::{self, Write};

use super::layout::{Head, Layout, cut, width_of};

/// Rows that decide on the layout.
const SAMPLE_ROWS: usize = 1_000;
/// A cell of a megabyte is no use in a table, also where lines may have any length.
const CELL_CHARS_MAX: usize = 100_000;

/// A table on its way out.
pub struct Table {
    heads: Vec<Head>,
    width: Option<usize>,
    waiting: Vec<Vec<String>>,
    form: Option<Form>,
    rows: u64,
}

enum Form {
    Lines(Layout),
    /// One column a line, names as wide as this.
    Blocks(usize),
}

impl Table {
    /// `width` is that of the terminal, if it is one.
    pub fn new(heads: Vec<Head>, width: Option<usize>) -> Self {
        Table { heads, width, waiting: Vec::new(), form: None, rows: 0 }
    }

    /// One row of clean cells; `None` is null.
    pub fn row(&mut self, cells: Vec<Option<String>>, out: &mut dyn Write) -> io::Result<()> {
        let bounded = |cell: String| if cell.len() > CELL_CHARS_MAX { cut(&cell, CELL_CHARS_MAX) } else { cell };
        let cells = cells.into_iter().map(|cell| cell.map(bounded).unwrap_or_default()).collect();
        if self.form.is_some() {
            return self.print(&cells, out);
        }
        self.waiting.push(cells);
        if self.waiting.len() == SAMPLE_ROWS { self.begin(out) } else { Ok(()) }
    }

    /// Prints what still waits.
    pub fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.form.is_none() { self.begin(out) } else { Ok(()) }
    }

    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.form = Some(match Layout::fit(self.heads.clone(), &waiting, self.width) {
            Some(layout) => {
                writeln!(out, "{}", layout.head())?;
                Form::Lines(layout)
            }
            None => Form::Blocks(self.heads.iter().map(|head| width_of(&head.name)).max().unwrap_or(0)),
        });
        waiting.iter().try_for_each(|row| self.print(row, out))
    }

    fn print(&mut self, cells: &Vec<String>, out: &mut dyn Write) -> io::Result<()> {
        self.rows += 1;
        match &self.form {
            Some(Form::Lines(layout)) => writeln!(out, "{}", layout.line(cells)),
            Some(Form::Blocks(names)) => {
                let width = self.width.unwrap_or(80);
                let title = format!("── row {} ", self.rows);
                writeln!(out, "{title}{}", "─".repeat(width.saturating_sub(width_of(&title))))?;
                for (head, cell) in self.heads.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
                    let blank = " ".repeat(names - width_of(&head.name));
                    writeln!(out, "{}{blank}  {}", head.name, cut(cell, width.saturating_sub(names + 2).max(8)))?;
                }
                Ok(())
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(heads: &[&str], rows: &[&[&str]], width: Option<usize>) -> String {
        let mut out = Vec::new();
        let mut table = Table::new(heads.iter().map(|h| Head::text(h)).collect(), width);
        for row in rows {
            table.row(row.iter().map(|c| (*c != "NULL").then(|| c.to_string())).collect(), &mut out).unwrap();
        }
        table.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_fits_the_terminal() {
        let shown = table(&["who", "agent"], &[&["alice", "aws-cli/2.15.30 Python/3.11"], &["NULL", "x"]], Some(20));
        assert_eq!(shown, "who    agent\n─────  ─────────────\nalice  aws-cli/2.15…\n       x\n");
    }

    #[test]
    fn a_piped_table_is_whole() {
        let long = "x".repeat(300);
        assert!(table(&["a"], &[&[&long]], None).contains(&long));
    }

    #[test]
    fn too_many_columns_stand_below_each_other() {
        let heads: Vec<String> = (0..9).map(|n| format!("c{n}")).collect();
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let mut cells = ["a longer cell"; 9];
        cells[1] = "NULL";
        let shown = table(&heads, &[&cells], Some(40));
        assert!(shown.starts_with("── row 1 ──"), "{shown}");
        assert!(shown.contains("c0  a longer cell\nc2  a longer cell\n"), "{shown}");
    }

    #[test]
    fn rows_after_the_sample_keep_its_layout() {
        let short: Vec<&[&str]> = vec![&["a"]; SAMPLE_ROWS];
        let mut rows = short.clone();
        rows.push(&["longer than all before"]);
        let shown = table(&["x"], &rows, Some(20));
        assert_eq!(shown.lines().last(), Some("…"));
        assert_eq!(shown.lines().count(), SAMPLE_ROWS + 3);
    }

    #[test]
    fn no_rows_still_show_the_columns() {
        assert_eq!(table(&["a", "b"], &[], Some(20)), "a  b\n─  ─\n");
    }
}
