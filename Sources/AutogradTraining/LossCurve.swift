/// The losses of a run over its steps, and pictures of them.
public struct LossCurve: Sendable {
  public struct Point: Sendable, Equatable {
    public let step: Int
    /// In nats per token.
    public let loss: Double
  }

  private var trainingSeries = ThinnedPoints()
  private var validationSeries = ThinnedPoints()
  /// The least loss that any model can have on this data, where that is known.
  public let optimum: Double?

  public init(optimum: Double? = nil) { self.optimum = optimum }

  init(optimum: Double?, training: ThinnedPoints, validation: ThinnedPoints) {
    self.optimum = optimum
    (trainingSeries, validationSeries) = (training, validation)
  }

  /// Both series as they are kept, for saving.
  var series: (training: ThinnedPoints, validation: ThinnedPoints) { (trainingSeries, validationSeries) }

  public var training: [Point] { trainingSeries.withLatest }
  public var validation: [Point] { validationSeries.withLatest }

  public mutating func add(_ event: TrainingEvent) {
    switch event {
    case .step(let metrics): trainingSeries.add(Point(step: metrics.step, loss: metrics.loss))
    case .evaluation(let metrics): validationSeries.add(Point(step: metrics.step, loss: metrics.validationLoss))
    case .started, .resumed, .saved, .nonFinite, .warning: return
    }
  }

  /// The smallest frame that holds all finite points: steps from 0, losses with a margin.
  private var frame: (steps: ClosedRange<Double>, losses: ClosedRange<Double>)? {
    let points = (training + validation).filter(\.loss.isFinite)
    guard let last = points.map(\.step).max(), let high = points.map(\.loss).max(),
      let low = (points.map(\.loss) + (optimum.map { [$0] } ?? [])).min()
    else { return nil }
    let margin = max(0.05 * (high - low), 0.01)
    return (0...Double(max(1, last)), low - margin...high + margin)
  }
}

/// The points of a series of any length in constant memory: at first all, then every second, every fourth and so on,
/// and always the latest.
struct ThinnedPoints: Sendable, Equatable {
  static let limit = 512
  var kept: [LossCurve.Point] = []
  /// Points seen, and the distance of those that are kept.
  var seen = 0, stride = 1
  var latest: LossCurve.Point?

  var withLatest: [LossCurve.Point] {
    guard let latest, kept.last != latest else { return kept }
    return kept + [latest]
  }

  mutating func add(_ point: LossCurve.Point) {
    latest = point
    defer { seen += 1 }
    guard seen % stride == 0 else { return }
    if kept.isEmpty { kept.reserveCapacity(ThinnedPoints.limit) }
    if kept.count == ThinnedPoints.limit {
      for index in 0..<kept.count / 2 { kept[index] = kept[2 * index] }
      kept.removeLast(kept.count / 2)
      stride *= 2
      guard seen % stride == 0 else { return }
    }
    kept.append(point)
  }
}

// MARK: In the terminal

extension LossCurve {
  /// A plot in characters: `·` training, `o` validation, `-` the optimum; the loss on the left, steps below.
  public func plot(columns: Int = 64, rows: Int = 12) -> String {
    guard let frame, columns > 1, rows > 1 else { return "" }
    var grid = [[Character]](repeating: [Character](repeating: " ", count: columns), count: rows)
    func place(_ value: Double, _ range: ClosedRange<Double>, _ cells: Int) -> Int {
      min(cells - 1, max(0, Int((value - range.lowerBound) / (range.upperBound - range.lowerBound) * Double(cells))))
    }
    func row(_ loss: Double) -> Int { rows - 1 - place(loss, frame.losses, rows) }
    if let optimum { grid[row(optimum)] = [Character](repeating: "-", count: columns) }
    for (points, mark) in [(training, "·" as Character), (validation, "o")] {
      for point in points where point.loss.isFinite {
        grid[row(point.loss)][place(Double(point.step), frame.steps, columns)] = mark
      }
    }
    // A label differs from the next where the distance of three rows shows in its digits.
    let distance = (frame.losses.upperBound - frame.losses.lowerBound) * 3 / Double(rows)
    let digits = distance >= 0.01 ? 2 : distance >= 0.001 ? 3 : 4
    let labels = (0..<rows).map { index -> String in
      let share = (Double(rows - 1 - index) + 0.5) / Double(rows)
      let loss = frame.losses.lowerBound + share * (frame.losses.upperBound - frame.losses.lowerBound)
      return index % 3 == 0 ? pad(LossCurve.decimal(loss, digits), 6) : "      "
    }
    let lines = zip(labels, grid).map { $0 + " |" + String($1) }
    let end = "\(Int(frame.steps.upperBound))"
    let axis = "       +" + String(repeating: "-", count: columns)
    let steps = "        0" + String(repeating: " ", count: max(1, columns - 1 - end.count)) + end
    return (lines + [axis, steps]).joined(separator: "\n")
  }

  private func pad(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  /// A number with a fixed count of digits after the point.
  static func decimal(_ value: Double, _ digits: Int) -> String {
    var unit = 1
    for _ in 0..<digits { unit *= 10 }
    let scaled = Int((abs(value) * Double(unit)).rounded()), fraction = "\(scaled % unit)"
    let sign = value < 0 && scaled > 0 ? "-" : ""
    if digits == 0 { return sign + "\(scaled)" }
    return sign + "\(scaled / unit)." + String(repeating: "0", count: digits - fraction.count) + fraction
  }
}

// MARK: As a file

extension LossCurve {
  /// The plot as an SVG picture that needs nothing else; colours follow a light or dark page.
  public func svg(title: String) -> String {
    guard let frame else { return "" }
    let width = 720.0, height = 400.0, left = 64.0, right = 24.0, top = 48.0, bottom = 48.0
    func x(_ step: Double) -> Double { left + step / frame.steps.upperBound * (width - left - right) }
    func y(_ loss: Double) -> Double {
      let share = (loss - frame.losses.lowerBound) / (frame.losses.upperBound - frame.losses.lowerBound)
      return height - bottom - share * (height - top - bottom)
    }
    func number(_ value: Double) -> String { LossCurve.decimal(value, 1) }
    func line(_ points: [Point], _ style: String) -> String {
      let path = points.filter(\.loss.isFinite).map { "\(number(x(Double($0.step)))),\(number(y($0.loss)))" }
      return "<polyline class=\"\(style)\" points=\"\(path.joined(separator: " "))\"/>\n"
    }
    func text(_ x: Double, _ y: Double, _ anchor: String, _ content: String) -> String {
      "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\">\(LossCurve.escaped(content))</text>\n"
    }
    var body = ""
    let (losses, digits) = LossCurve.ticks(frame.losses)
    for tick in losses {
      body += "<path class=\"grid\" d=\"M\(number(left)) \(number(y(tick)))H\(number(width - right))\"/>\n"
      body += text(left - 8, y(tick) + 4, "end", LossCurve.decimal(tick, digits))
    }
    for tick in LossCurve.ticks(frame.steps).values where tick == tick.rounded() {
      body += text(x(tick), height - bottom + 20, "middle", LossCurve.decimal(tick, 0))
    }
    body += text(width / 2, height - 8, "middle", "step") + text(left, 24, "start", title)
    if let optimum {
      body += "<path class=\"optimum\" d=\"M\(number(left)) \(number(y(optimum)))H\(number(width - right))\"/>\n"
      body += text(width - right, y(optimum) - 6, "end", "optimum \(LossCurve.decimal(optimum, 3))")
    }
    body += line(training, "training") + line(validation, "validation")
    if let last = validation.last {
      body += text(width - right, y(last.loss) - 8, "end", "validation \(LossCurve.decimal(last.loss, 3))")
    }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 400" font-family="sans-serif" font-size="13">
      <style>
      svg { background: #fff } text { fill: #333 } polyline, path { fill: none; stroke-width: 1.5 }
      .grid { stroke: #ddd } .training { stroke: #9ab } .validation { stroke: #c30; stroke-width: 2.5 }
      .optimum { stroke: #084; stroke-dasharray: 6 4 }
      @media (prefers-color-scheme: dark) { svg { background: #111 } text { fill: #ddd } .grid { stroke: #333 } }
      </style>
      <title>\(LossCurve.escaped(title))</title>
      \(body)</svg>

      """
  }

  /// Three to eight round numbers inside a range, and the digits after the point that tell them apart.
  static func ticks(_ range: ClosedRange<Double>) -> (values: [Double], digits: Int) {
    let span = range.upperBound - range.lowerBound, finest = 6
    // 1, 2 and 5 times a power of ten, from 10⁻⁶ on.
    var unit = 1e-6, index = 0
    let factors = [2.0, 2.5, 2.0]
    while span / unit > 8 {
      unit *= factors[index % 3]
      index += 1
    }
    let first = (range.lowerBound / unit).rounded(.up), last = (range.upperBound / unit).rounded(.down)
    return (stride(from: first, through: last, by: 1).map { $0 * unit }, max(0, finest - index / 3))
  }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "&": result += "&amp;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
    return result
  }
}
