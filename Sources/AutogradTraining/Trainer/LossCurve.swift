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

  /// The smallest frame that holds all points that can be drawn: steps from 0, losses with a margin.
  var frame: (steps: ClosedRange<Double>, losses: ClosedRange<Double>)? {
    let points = (training + validation).filter(\.isDrawn)
    guard let last = points.map(\.step).max(), let high = points.map(\.loss).max(),
      let low = (points.map(\.loss) + (optimum.map { [$0] } ?? [])).min()
    else { return nil }
    // Wide enough for labels to differ, also where the numbers are large.
    let margin = max(0.05 * (high - low), 0.01, 1e-6 * max(abs(high), abs(low)))
    return (0...Double(max(1, last)), low - margin...high + margin)
  }
}

extension LossCurve.Point {
  /// Whether there is a place for it: it is a number, and sums of such numbers are.
  var isDrawn: Bool { abs(loss) < 1e300 }
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
      for point in points where point.isDrawn {
        grid[row(point.loss)][place(Double(point.step), frame.steps, columns)] = mark
      }
    }
    // A label differs from the next where the distance of three rows shows in its digits.
    let distance = (frame.losses.upperBound - frame.losses.lowerBound) * 3 / Double(rows)
    let digits = distance >= 0.01 ? 2 : distance >= 0.001 ? 3 : 4
    let places = stride(from: 0, to: rows, by: 3).map { row -> Double in
      let share = (Double(rows - 1 - row) + 0.5) / Double(rows)
      return frame.losses.lowerBound + share * (frame.losses.upperBound - frame.losses.lowerBound)
    }
    let labels = NumberLabel.axis(places, digits: digits, step: distance)
    let width = max(6, labels.map(\.count).max() ?? 0)
    let lines = grid.enumerated().map { row, cells in
      pad(row % 3 == 0 ? labels[row / 3] : "", width) + " |" + String(cells)
    }
    let end = "\(Int(frame.steps.upperBound))"
    let axis = pad("", width) + " +" + String(repeating: "-", count: columns)
    let steps = pad("", width) + "  0" + String(repeating: " ", count: max(1, columns - 1 - end.count)) + end
    return (lines + [axis, steps]).joined(separator: "\n")
  }

  private func pad(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
