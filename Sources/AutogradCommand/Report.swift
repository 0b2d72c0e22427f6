import AutogradBase

/// Measured values under names: lines for people, one JSON object for programs.
struct Report {
  private struct Row {
    let key, label, text: String
    /// Nil for what only people see.
    let value: JSON?
  }

  /// Stands above the lines, not in the object.
  var title: String?
  private var rows: [Row] = []

  init(title: String? = nil) { self.title = title }

  /// - Parameter label: What people see; the key with spaces unless given.
  mutating func add(_ key: String, label: String? = nil, _ text: String, _ value: JSON) {
    let words = String(key.map { $0 == "_" ? " " : $0 })
    rows.append(Row(key: key, label: label ?? words, text: text, value: value))
  }

  /// An amount of memory, nil where it is not known.
  mutating func add(_ key: String, label: String, bytes: Int?) {
    add(key, label: label, bytes?.bytes ?? "unknown", bytes.map { .integer(Int64($0)) } ?? .null)
  }

  /// A value that only programs see.
  mutating func add(_ key: String, _ value: JSON) { rows.append(Row(key: key, label: "", text: "", value: value)) }

  /// A line that only people see.
  mutating func addLine(_ label: String, _ text: String) { rows.append(Row(key: "", label: label, text: text, value: nil)) }

  var object: JSON { .object(rows.compactMap { row in row.value.map { JSON.Member(row.key, $0) } }) }

  func show(json: Bool) {
    if json { return Console.showLine(String(decoding: object.serialized(), as: UTF8.self)) }
    if let title { Console.showLine(title) }
    let visible = rows.filter { !$0.label.isEmpty }, width = max(13, visible.map(\.label.count).max() ?? 0) + 2
    for row in visible { Console.showLine(row.label.padded(to: width) + row.text) }
  }
}

/// Rows of text under headings: the first column to the left, all others to the right.
struct TextTable {
  let headings: [String]
  var rows: [[String]] = []

  init(_ headings: [String]) { self.headings = headings }

  var lines: [String] {
    let all = [headings] + rows
    let widths = headings.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { row in
      row.indices.map { column in
        let space = String(repeating: " ", count: widths[column] - row[column].count)
        return column == 0 ? row[0] + space : space + row[column]
      }.joined(separator: "  ")
    }
  }
}

extension String {
  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
