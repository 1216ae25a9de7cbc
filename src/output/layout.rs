//! How wide columns are, and lines of them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Between columns.
const GAP: &str = "  ";
/// Text is not cut shorter than this; where not even that fits, a table is no use.
const TEXT_WIDTH_MIN: usize = 8;

/// A column's name and how its cells stand.
#[derive(Clone, Debug)]
pub struct Head {
    pub name: String,
    /// Numbers stand on the right.
    pub right: bool,
    /// Whether cells may be cut; half a number or half a time says something else than the whole.
    pub text: bool,
}

impl Head {
    pub fn text(name: &str) -> Self {
        Head { name: name.into(), right: false, text: true }
    }

    pub fn fixed(name: &str) -> Self {
        Head { name: name.into(), right: false, text: false }
    }

    pub fn number(name: &str) -> Self {
        Head { name: name.into(), right: true, text: false }
    }
}

/// Columns of a text on a terminal, which are not its characters.
pub fn width_of(text: &str) -> usize {
    text.width()
}

/// The text in at most `width` columns, its end cut off with `…`.
pub fn cut(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        out.push(c);
    }
    out.push('…');
    out
}

/// Widths of columns, decided once.
#[derive(Debug)]
pub struct Layout {
    heads: Vec<Head>,
    widths: Vec<usize>,
    cuts: bool,
}

impl Layout {
    /// Fits columns with such cells into a line. Without a width nothing is cut. `None` where it cannot be done.
    pub fn fit(heads: Vec<Head>, sample: &[Vec<String>], width: Option<usize>) -> Option<Layout> {
        let natural: Vec<usize> = heads
            .iter()
            .enumerate()
            .map(|(at, head)| {
                let cells = sample.iter().filter_map(|row| row.get(at)).map(|cell| width_of(cell)).max();
                cells.unwrap_or(0).max(width_of(&head.name)).max(1)
            })
            .collect();
        let Some(width) = width else { return Some(Layout { heads, widths: natural, cuts: false }) };
        let room = width.checked_sub(GAP.len() * heads.len().saturating_sub(1))?;
        let least = |at: usize| if heads[at].text { natural[at].min(TEXT_WIDTH_MIN) } else { natural[at] };
        let at_most = |most: usize| -> Vec<usize> {
            (0..heads.len())
                .map(|at| if heads[at].text { natural[at].min(most).max(least(at)) } else { natural[at] })
                .collect()
        };
        let fits = |widths: &Vec<usize>| widths.iter().sum::<usize>() <= room;
        if !fits(&at_most(TEXT_WIDTH_MIN)) {
            return None;
        }
        // The widest columns give way first: the largest bound under which all fit.
        let (mut fitting, mut beyond) =
            (TEXT_WIDTH_MIN, natural.iter().max().copied().unwrap_or(0).max(TEXT_WIDTH_MIN) + 1);
        while beyond - fitting > 1 {
            let middle = fitting + (beyond - fitting) / 2;
            if fits(&at_most(middle)) { fitting = middle } else { beyond = middle }
        }
        let mut widths = at_most(fitting);
        let mut rest = room - widths.iter().sum::<usize>();
        for at in 0..widths.len() {
            if rest > 0 && widths[at] < natural[at] {
                widths[at] += 1;
                rest -= 1;
            }
        }
        Some(Layout { heads, widths, cuts: true })
    }

    /// The names, and a rule below them.
    pub fn head(&self) -> String {
        let names: Vec<String> = self.heads.iter().map(|head| head.name.clone()).collect();
        let rules: Vec<String> = self.widths.iter().map(|width| "─".repeat(*width)).collect();
        format!("{}\n{}", self.line(&names), self.line(&rules))
    }

    /// One row. Without a width, a cell longer than those that the layout was made for pushes what follows.
    pub fn line(&self, cells: &[String]) -> String {
        let mut line = String::new();
        for (at, ((cell, width), head)) in cells.iter().zip(&self.widths).zip(&self.heads).enumerate() {
            let cell = if self.cuts { cut(cell, *width) } else { cell.clone() };
            let blank = " ".repeat(width.saturating_sub(width_of(&cell)));
            if at > 0 {
                line.push_str(GAP);
            }
            if head.right {
                line.push_str(&blank);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.push_str(&blank);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// A small table as lines; where the columns do not fit they are not cut but run over the line's end.
pub fn grid(heads: &[Head], rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let layout = Layout::fit(heads.to_vec(), rows, width).or_else(|| Layout::fit(heads.to_vec(), rows, None));
    let Some(layout) = layout else { return Vec::new() };
    let mut lines: Vec<String> = layout.head().lines().map(str::to_owned).collect();
    lines.extend(rows.iter().map(|row| layout.line(row)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|c| c.to_string()).collect()
    }

    #[test]
    fn the_widest_text_gives_way_and_numbers_do_not() {
        let heads = [Head::text("name"), Head::number("events"), Head::text("agent")];
        let rows = [row(&["alice", "1234567", &"x".repeat(50)]), row(&["bob", "7", "short"])];
        let lines = grid(&heads, &rows, Some(30));
        assert!(lines.iter().all(|l| width_of(l) <= 30), "{lines:#?}");
        assert_eq!(lines[2], format!("alice  1234567  {}…", "x".repeat(13)));
        assert_eq!(lines[3], "bob          7  short");
    }

    #[test]
    fn width_is_counted_in_columns() {
        assert_eq!(cut("雪雪雪", 5), "雪雪…");
        assert_eq!(cut("雪雪雪", 6), "雪雪雪");
        assert_eq!(width_of("雪"), 2);
        let lines = grid(&[Head::text("a"), Head::text("b")], &[row(&["雪", "x"]), row(&["", "y"])], None);
        assert_eq!(lines[2..], ["雪  x", "    y"]);
    }

    #[test]
    fn what_cannot_fit_is_not_laid_out() {
        let heads: Vec<Head> = (0..20).map(|n| Head::text(&format!("column_{n:02}"))).collect();
        assert!(Layout::fit(heads.clone(), &[row(&["a-long-cell"; 20])], Some(80)).is_none());
        assert!(Layout::fit(heads, &[row(&["a-long-cell"; 20])], Some(260)).is_some());
    }
}
