#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension LossCurve {
  /// The plot as an SVG picture that needs nothing else; colours follow a light or dark page. Where the optimum is
  /// known, a second panel shows the way from there on a logarithmic axis: in the first it would be a flat line.
  ///
  /// No two labels touch each other or a line, whatever the numbers are.
  public func svg(title: String) -> String {
    guard let frame else { return "" }
    let panels = [lossPanel(frame.losses)] + [excessPanel()].compactMap { $0 }
    return CurvePicture(title: title, lastStep: frame.steps.upperBound, panels: panels).svg
  }

  private func lossPanel(_ range: ClosedRange<Double>) -> CurvePanel {
    let (values, digits, step) = CurvePanel.ticks(range)
    let span = range.upperBound - range.lowerBound
    func share(_ loss: Double) -> Double? {
      range.contains(loss) ? (loss - range.lowerBound) / span : nil
    }
    var panel = CurvePanel(heading: "loss, nats per token", height: 300)
    panel.ticks = zip(values, NumberLabel.axis(values, digits: digits, step: step)).compactMap { value, label in
      share(value).map { CurvePanel.Tick(label: label, share: $0) }
    }
    panel.draw(training, "training", share) { "training " + NumberLabel.single($0) }
    panel.draw(validation, "validation", share) { "validation " + NumberLabel.single($0) }
    if let optimum, let place = share(optimum) {
      panel.level = CurvePanel.Tick(label: "optimum " + NumberLabel.single(optimum), share: place)
    }
    return panel
  }

  /// The loss above the optimum; nil where that is not known or no loss lies above it.
  private func excessPanel() -> CurvePanel? {
    guard let optimum, abs(optimum) < 1e300 else { return nil }
    func excess(_ points: [Point]) -> [Point] {
      points.filter(\.isDrawn).map { Point(step: $0.step, loss: $0.loss - optimum) }
    }
    let training = excess(training), validation = excess(validation)
    // Batches of training may come as near to the optimum as they like: the axis follows the validation.
    let above = (training + validation).map(\.loss).filter { $0 > 0 }
    let judged = validation.map(\.loss).filter { $0 > 0 }
    guard let high = above.max(), let low = judged.min() ?? above.min() else { return nil }
    let top = log10(high) + 0.05, bottom = min(log10(low) - 0.1, top - 1)
    func share(_ loss: Double) -> Double? {
      guard loss > 0, log10(loss) >= bottom else { return nil }
      return (log10(loss) - bottom) / (top - bottom)
    }
    var panel = CurvePanel(heading: "above the optimum, nats per token, logarithmic", height: 200)
    panel.ticks = CurvePanel.powers(bottom...top).compactMap { value in
      share(value).map { CurvePanel.Tick(label: NumberLabel.power(value), share: $0) }
    }
    panel.draw(training, "training", share) { "training +" + NumberLabel.single($0) }
    panel.draw(validation, "validation", share) { "validation +" + NumberLabel.single($0) }
    return panel
  }
}

/// One of the pictures that stand above each other, in shares of its height.
struct CurvePanel {
  struct Tick {
    let label: String
    /// 0 at the bottom, 1 at the top.
    let share: Double
  }

  struct Line {
    let style: String
    /// Pieces without gaps: steps and shares.
    let pieces: [[(step: Double, share: Double)]]
    /// Says where it ends.
    let end: Tick
  }

  let heading: String
  let height: Double
  var ticks: [Tick] = []
  var lines: [Line] = []
  /// A level that is marked through the whole width.
  var level: Tick?

  init(heading: String, height: Double) { (self.heading, self.height) = (heading, height) }

  /// Adds a series. Where a point has no place, its line has a gap.
  mutating func draw(
    _ points: [LossCurve.Point], _ style: String, _ share: (Double) -> Double?, _ label: (Double) -> String
  ) {
    var pieces: [[(step: Double, share: Double)]] = [], isGap = true, end: Tick?
    for point in points {
      guard point.isDrawn, let place = share(point.loss) else {
        isGap = true
        continue
      }
      if isGap { pieces.append([]) }
      isGap = false
      pieces[pieces.count - 1].append((Double(point.step), place))
      end = Tick(label: label(point.loss), share: place)
    }
    if let end { lines.append(Line(style: style, pieces: pieces, end: end)) }
  }

  // MARK: Round numbers

  /// Three to eight round numbers inside a range, their distance, and the digits after the point that tell them apart.
  static func ticks(_ range: ClosedRange<Double>) -> (values: [Double], digits: Int, step: Double) {
    let span = range.upperBound - range.lowerBound, finest = 6
    // 1, 2 and 5 times a power of ten, from 10⁻⁶ on.
    var unit = 1e-6, index = 0
    let factors = [2.0, 2.5, 2.0]
    while span / unit > 8 {
      unit *= factors[index % 3]
      index += 1
    }
    let first = (range.lowerBound / unit).rounded(.up), last = (range.upperBound / unit).rounded(.down)
    return (stride(from: first, through: last, by: 1).map { $0 * unit }, max(0, finest - index / 3), unit)
  }

  /// At most nine numbers of a logarithmic axis, whose range is given as powers of ten: 1, 2 and 5 times each, or each,
  /// or every second, every third and so on.
  static func powers(_ range: ClosedRange<Double>) -> [Double] {
    let decades = Int(range.lowerBound.rounded(.down))...Int(range.upperBound.rounded(.up))
    func inside(_ mantissas: [Double], every distance: Int) -> [Double] {
      decades.filter { $0 % distance == 0 }.flatMap { decade in
        mantissas.map { $0 * pow(10, Double(decade)) }
      }.filter { $0 > 0 && range.contains(log10($0)) }
    }
    let fine = inside([1, 2, 5], every: 1)
    if fine.count <= 9 { return fine }
    var distance = 1
    while inside([1], every: distance).count > 9 { distance += 1 }
    return inside([1], every: distance)
  }
}

extension NumberLabel {
  /// 1, 2 or 5 times a power of ten.
  static func power(_ value: Double) -> String {
    guard value < 1e6, value >= 0.99e-4 else { return scientific(value, 0) }
    var digits = 0, reach = 1.0
    while value < 0.99 * reach { (reach, digits) = (reach / 10, digits + 1) }
    return decimal(value, digits)
  }
}
