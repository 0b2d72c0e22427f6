/// Panels above each other as SVG: where everything stands, so that no text touches another or a line.
///
/// Labels of the axes stand left of the panels, what lines are called right of them, headings above. Nobody knows the
/// reader's font: widths are those of the widest that is usual.
struct CurvePicture {
  let title: String
  let lastStep: Double
  let panels: [CurvePanel]

  private static let width = 800.0, fontSize = 13.0
  /// From one row of text to the next.
  private static let rowHeight = 17.0
  private static let top = 44.0, headingHeight = 26.0, gap = 16.0, bottom = 48.0

  /// Points that a text takes at most.
  private static func width(of text: String) -> Double {
    text.unicodeScalars.reduce(0) { $0 + ($1.isASCII ? 8.5 : 14) }
  }

  private var left: Double {
    panels.flatMap(\.ticks).map { CurvePicture.width(of: $0.label) }.reduce(40, max) + 20
  }
  private var right: Double {
    let labels = panels.flatMap { panel in panel.lines.map(\.end.label) + (panel.level.map { [$0.label] } ?? []) }
    return CurvePicture.width - labels.map { CurvePicture.width(of: $0) }.reduce(80, max) - 20
  }

  private var height: Double {
    CurvePicture.top + CurvePicture.bottom - CurvePicture.gap
      + panels.reduce(0) { $0 + CurvePicture.headingHeight + $1.height + CurvePicture.gap }
  }

  var svg: String {
    var body = text(left, 24, "start", shortened(title)), top = CurvePicture.top
    for panel in panels {
      body += text(left, top + CurvePicture.headingHeight - 12, "start", panel.heading, "heading")
      top += CurvePicture.headingHeight
      body += draw(panel, top: top)
      top += panel.height + CurvePicture.gap
    }
    body += stepLabels(top - CurvePicture.gap + 20)
    body += text((left + right) / 2, height - 8, "middle", "step")
    let size = "viewBox=\"0 0 \(CurvePicture.number(CurvePicture.width)) \(CurvePicture.number(height))\""
    return """
      <svg xmlns="http://www.w3.org/2000/svg" \(size) font-family="sans-serif" font-size="13">
      <style>
      svg { background: #fff } text { fill: #333 } .heading { fill: #666 }
      polyline, path { fill: none; stroke-width: 1.5 } circle { stroke-width: 1.5; fill: none }
      .grid { stroke: #ddd; stroke-width: 1 } .training { stroke: #9ab } .validation { stroke: #c30; stroke-width: 2.5 }
      .optimum { stroke: #084; stroke-dasharray: 6 4 }
      text.training, text.validation, text.optimum { stroke: none }
      text.training { fill: #578 } text.validation { fill: #c30 } text.optimum { fill: #084 }
      @media (prefers-color-scheme: dark) {
      svg { background: #111 } text { fill: #ddd } .heading { fill: #999 } .grid { stroke: #333 }
      .training { stroke: #678 } .validation { stroke: #f64 } .optimum { stroke: #3b7 }
      text.training { fill: #9ab } text.validation { fill: #f64 } text.optimum { fill: #3b7 }
      }
      </style>
      <title>\(CurvePicture.escaped(title))</title>
      \(body)</svg>

      """
  }

  // MARK: Parts

  private func x(_ step: Double) -> Double { left + step / lastStep * (right - left) }

  private func draw(_ panel: CurvePanel, top: Double) -> String {
    func y(_ share: Double) -> Double { top + (1 - share) * panel.height }
    func level(_ share: Double, _ style: String) -> String {
      let start = "M\(CurvePicture.number(left)) \(CurvePicture.number(y(share)))"
      return "<path class=\"\(style)\" d=\"\(start)H\(CurvePicture.number(right))\"/>\n"
    }
    var body = ""
    for tick in panel.ticks {
      body += level(tick.share, "grid") + text(left - 8, y(tick.share) + 4, "end", tick.label)
    }
    if let optimum = panel.level { body += level(optimum.share, "optimum") }
    for line in panel.lines {
      for piece in line.pieces { body += drawPiece(piece.map { (x($0.step), y($0.share)) }, line.style) }
    }
    let named = panel.lines.map { ($0.end, $0.style) } + (panel.level.map { [($0, "optimum")] } ?? [])
    let places = CurvePicture.apart(
      named.map { y($0.0.share) + 4 }, distance: CurvePicture.rowHeight, in: top + 8...top + panel.height + 4)
    for ((end, style), place) in zip(named, places) { body += text(right + 8, place, "start", end.label, style) }
    return body
  }

  /// A line; where it is a single point, a ring.
  private func drawPiece(_ points: [(x: Double, y: Double)], _ style: String) -> String {
    func pair(_ point: (x: Double, y: Double)) -> (String, String) {
      (CurvePicture.number(point.x), CurvePicture.number(point.y))
    }
    if points.count == 1 {
      let (x, y) = pair(points[0])
      return "<circle class=\"\(style)\" cx=\"\(x)\" cy=\"\(y)\" r=\"2.5\"/>\n"
    }
    let path = points.map { point in
      let (x, y) = pair(point)
      return "\(x),\(y)"
    }
    return "<polyline class=\"\(style)\" points=\"\(path.joined(separator: " "))\"/>\n"
  }

  /// Whole numbers of steps, as many as have room beside each other.
  private func stepLabels(_ y: Double) -> String {
    let (values, _, step) = CurvePanel.ticks(0...lastStep)
    let whole = values.filter { $0 == $0.rounded() }
    let labels = NumberLabel.axis(whole, digits: 0, step: step)
    let widest = labels.map { CurvePicture.width(of: $0) }.max() ?? 0
    var distance = 1
    while distance < whole.count, x(step * Double(distance)) - x(0) < widest + 12 { distance += 1 }
    return zip(whole, labels).enumerated().filter { $0.offset % distance == 0 }.map { _, tick in
      text(x(tick.0), y, "middle", tick.1)
    }.joined()
  }

  private func text(_ x: Double, _ y: Double, _ anchor: String, _ content: String, _ style: String? = nil) -> String {
    let place = "x=\"\(CurvePicture.number(x))\" y=\"\(CurvePicture.number(y))\" text-anchor=\"\(anchor)\""
    let look = style.map { " class=\"\($0)\"" } ?? ""
    return "<text \(place)\(look)>\(CurvePicture.escaped(content))</text>\n"
  }

  /// As much of a title as fits, its end rather than its beginning: that of a path tells more.
  private func shortened(_ title: String) -> String {
    let room = CurvePicture.width - left - 20
    if CurvePicture.width(of: title) <= room { return title }
    var rest = title[...]
    while !rest.isEmpty, CurvePicture.width(of: "…" + rest) > room { rest = rest.dropFirst() }
    return "…" + rest
  }

  // MARK: Numbers

  /// Places moved apart as little as is needed, in the order of the wishes.
  ///
  /// - Precondition: The range holds all of them at that distance.
  static func apart(_ wanted: [Double], distance: Double, in range: ClosedRange<Double>) -> [Double] {
    let order = wanted.indices.sorted { (wanted[$0], $0) < (wanted[$1], $1) }
    var result = wanted, least = range.lowerBound
    for index in order {
      result[index] = max(wanted[index], least)
      least = result[index] + distance
    }
    var most = range.upperBound
    for index in order.reversed() {
      result[index] = min(result[index], most)
      most = result[index] - distance
    }
    return result
  }

  private static func number(_ value: Double) -> String { NumberLabel.decimal(value, 1) }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
      switch character {
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "&": result += "&amp;"
      case "\"": result += "&quot;"
      // What XML does not allow.
      case "\u{0}"..<"\u{20}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }
}
