//! Tables of text. In: rows of cells. Out: aligned columns for a terminal, or Markdown. A column of
//! numbers is right-aligned, any other left-aligned.

use serde::{Deserialize, Serialize};

/// A table; every row has as many cells as there are columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(title: &str, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Cells that are missing are empty, and those beyond the last column are left out.
    pub(crate) fn row(&mut self, mut cells: Vec<String>) {
        cells.resize(self.columns.len(), String::new());
        self.rows.push(cells);
    }

    /// For a terminal, the title above.
    pub(crate) fn text(&self) -> String {
        let widths = self.widths();
        let right = self.numeric();
        let mut text = format!("{}\n", self.title);
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            let cells: Vec<String> = row
                .iter()
                .zip(widths.iter().zip(&right))
                .map(|(cell, (&width, &right))| pad(cell, width, right))
                .collect();
            text += &format!("  {}\n", cells.join("  ").trim_end());
        }
        text
    }

    /// For a document, without the title.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule: Vec<&str> = self
            .numeric()
            .into_iter()
            .map(|right| if right { "---:" } else { "---" })
            .collect();
        let mut text = line(&self.columns);
        text += &format!("|{}|\n", rule.join("|"));
        text += &self.rows.iter().map(|row| line(row)).collect::<String>();
        text
    }

    /// Which columns consist of numbers; `-` is a missing one.
    fn numeric(&self) -> Vec<bool> {
        let is_number =
            |cell: &String| cell.is_empty() || cell == "-" || cell.parse::<f64>().is_ok();
        let columns = 0..self.columns.len();
        let is_numeric = |column| {
            self.rows
                .iter()
                .all(|row| row.get(column).is_none_or(is_number))
        };
        columns.map(is_numeric).collect()
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.columns.len()];
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

fn pad(cell: &str, width: usize, right: bool) -> String {
    let room = " ".repeat(width.saturating_sub(cell.chars().count()));
    if right {
        room + cell
    } else {
        cell.to_owned() + &room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("title", &["", "median", "unit"]);
        table.row(vec!["a | b".into(), "12.5".into(), "µs".into()]);
        table.row(vec!["longer".into(), "1234".into()]);
        table
    }

    #[test]
    fn columns_are_aligned() {
        let expected = "title\n          median  unit\n  a | b     12.5  µs\n  longer    1234\n";
        assert_eq!(table().text(), expected);
    }

    #[test]
    fn markdown_has_a_cell_for_each_column() {
        let expected =
            "|  | median | unit |\n|---|---:|---|\n| a \\| b | 12.5 | µs |\n| longer | 1234 |  |\n";
        assert_eq!(table().markdown(), expected);
    }
}
