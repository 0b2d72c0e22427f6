import AutogradBase
import AutogradNeuralNetwork
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@testable import AutogradTraining

@Suite("Loss curve") struct LossCurveTests {
  private func curve(_ losses: [Double], lastStep: Int) -> LossCurve {
    var series = ThinnedPoints()
    for (index, loss) in losses.enumerated() {
      series.add(LossCurve.Point(step: (index + 1) * lastStep / losses.count, loss: loss))
    }
    return LossCurve(optimum: nil, training: series, validation: ThinnedPoints())
  }

  /// The contents of the texts that end at, or are centred on, their place: labels of losses, of steps.
  private func labels(_ svg: String, _ anchor: String) -> [String] {
    svg.split(separator: "\n").filter { $0.contains("text-anchor=\"\(anchor)\"") }.compactMap { line in
      line.split(separator: ">").dropFirst().first.map { String($0.prefix { $0 != "<" }) }
    }
  }

  @Test(
    "no two labels are equal, and each has the digits of the distance to the next",
    arguments: [
      (1.44, 1.56, 2), (1.499, 1.501, 3), (0.5, 2.5, 1), (0.1, 3.9, 0), (2, 40, 0), (900, 5000, 0), (1.5, 1.5, 3),
    ])
  func losses(low: Double, high: Double, digits: Int) {
    let found = labels(curve([high, low], lastStep: 100).svg(title: ""), "end")
    #expect((2...8).contains(found.count) && Set(found).count == found.count, "\(found)")
    for label in found {
      let parts = label.split(separator: ".")
      #expect((parts.count == 1 ? 0 : parts[1].count) == digits, "\(found)")
    }
  }

  @Test("steps are whole numbers, each once", arguments: [1, 2, 7, 1000])
  func steps(last: Int) {
    let found = labels(curve([2, 1], lastStep: last).svg(title: ""), "middle").filter { $0 != "step" }
    #expect(found.allSatisfy { Int($0) != nil } && Set(found).count == found.count && found.count >= 2, "\(found)")
  }

  @Test("in the terminal, labels of a flat curve differ, too", arguments: [0.0001, 0.001, 0.01, 0.1, 1, 100])
  func terminal(span: Double) {
    let plot = curve([1.5 + span, 1.5], lastStep: 100).plot()
    let found = plot.split(separator: "\n").compactMap { line in
      line.firstIndex(of: "|").map { line[..<$0].filter { $0 != " " } }
    }.filter { !$0.isEmpty }
    #expect(found.count == 4 && Set(found).count == 4, "\(plot)")
  }

  // MARK: Nothing touches

  private struct Box {
    let text: String
    let x, y: ClosedRange<Double>

    func touches(_ other: Box) -> Bool { x.overlaps(other.x) && y.overlaps(other.y) }
  }

  private func attribute(_ name: String, _ line: Substring) -> Double? {
    line.split(separator: " \(name)=\"", maxSplits: 1).dropFirst().first.flatMap { Double($0.prefix { $0 != "\"" }) }
  }

  /// Where texts stand in a usual sans-serif font, at eight points a letter.
  private func boxes(_ svg: String) throws -> [Box] {
    try svg.split(separator: "\n").filter { $0.hasPrefix("<text ") }.map { line in
      let content = String(try #require(line.split(separator: ">").dropFirst().first).prefix { $0 != "<" })
      let x = try #require(attribute("x", line)), y = try #require(attribute("y", line))
      let width = content.replacing("&amp;", with: "&").unicodeScalars.reduce(0) { $0 + ($1.isASCII ? 8.0 : 13.0) }
      let share = line.contains("\"end\"") ? 1 : line.contains("\"middle\"") ? 0.5 : 0
      return Box(text: content, x: x - share * width...x + (1 - share) * width, y: y - 10...y + 3)
    }
  }

  /// The corners of all lines that show losses, and the rings.
  private func corners(_ svg: String) throws -> [(x: Double, y: Double)] {
    try svg.split(separator: "\n").flatMap { line -> [(x: Double, y: Double)] in
      if line.hasPrefix("<circle ") {
        return [(try #require(attribute("cx", line)), try #require(attribute("cy", line)))]
      }
      guard line.hasPrefix("<polyline ") else { return [] }
      let points = line.split(separator: "points=\"").last?.prefix { $0 != "\"" } ?? ""
      return try points.split(separator: " ").map { point in
        let numbers = point.split(separator: ",").compactMap { Double($0) }
        try #require(numbers.count == 2, "\(point)")
        return (numbers[0], numbers[1])
      }
    }
  }

  private func expectApart(_ curve: LossCurve, title: String, _ comment: String) throws {
    let svg = curve.svg(title: title), texts = try boxes(svg), corners = try corners(svg)
    let size = try #require(svg.split(separator: "viewBox=\"0 0 ").dropFirst().first?.prefix { $0 != "\"" })
      .split(separator: " ").compactMap { Double($0) }
    for (index, text) in texts.enumerated() {
      #expect(text.x.lowerBound >= 0 && text.x.upperBound <= size[0], "\(comment): \(text) leaves the picture")
      #expect(text.y.lowerBound >= 0 && text.y.upperBound <= size[1], "\(comment): \(text) leaves the picture")
      for other in texts[(index + 1)...] { #expect(!text.touches(other), "\(comment): \(text) and \(other)") }
      let hit = corners.first { text.x.contains($0.x) && text.y.contains($0.y) }
      #expect(hit == nil, "\(comment): \(text) lies on a line at \(hit.map { "\($0)" } ?? "")")
    }
    #expect(!svg.contains("nan") && !svg.contains("inf"), "\(comment)")
    #expect(!curve.plot().contains("nan"), "\(comment)")
  }

  @Test("a run that comes to the optimum has labels apart, and its last tenth above it is seen")
  func success() throws {
    var training = ThinnedPoints(), validation = ThinnedPoints()
    for step in 1...2000 {
      let loss = 0.2584 + 2.5 * exp(-Double(step) / 150) + 0.01
      if step % 10 == 0 { training.add(LossCurve.Point(step: step, loss: loss)) }
      if step % 250 == 0 { validation.add(LossCurve.Point(step: step, loss: loss)) }
    }
    let curve = LossCurve(optimum: 0.2584, training: training, validation: validation)
    let svg = curve.svg(title: "Loss of runs/stories")
    try expectApart(curve, title: "Loss of runs/stories", "success")
    for label in ["validation 0.2684", "optimum 0.2584", "validation +0.0100", "above the optimum"] {
      #expect(svg.contains(label), "\(label)")
    }
    // In the second panel the way from step 1000 on takes a good part of the height, in the first almost none.
    let polylines = svg.split(separator: "\n").filter { $0.hasPrefix("<polyline class=\"validation\"") }
    #expect(polylines.count == 2)
    let heights = try polylines.map { line -> Double in
      let rows = try corners(String(line)).map(\.y)
      return rows[7] - rows[1]
    }
    #expect(heights[0] < 30 && heights[1] > 60, "\(heights)")
  }

  @Test("no two labels touch, nor a label and a line, whatever the run was", arguments: 0..<300)
  func random(seed: Int) throws {
    var random = RandomStream(seed: UInt64(seed), purpose: .evaluation)
    func pick<Value>(_ values: [Value]) -> Value { values[Int(random.uniform() * Double(values.count))] }
    let count = pick([1, 2, 3, 7, 40, 600]), last = pick([1, 5, 100, 2000, 123_456, 1_000_000_000, 1 << 52])
    let start = pow(10, random.uniform() * 12 - 4) * pick([1, 1, 1, 1e18]), noise = pick([0, 0.01, 0.5])
    let floor = start * pick([0.0, 1e-9, 0.01, 0.3, 0.999, 1])
    let optimum: Double? = pick([nil, floor, floor * 0.99, floor * 1.01, start * 2, 0, -start])
    var training = ThinnedPoints(), validation = ThinnedPoints()
    for index in 1...count {
      let share = Double(index) / Double(count)
      var loss = floor + (start - floor) * exp(-7 * share) * (1 + noise * (random.uniform() - 0.5))
      if random.uniform() < 0.03 { loss = pick([.nan, .infinity, -.infinity, 1e308, 0, optimum ?? 0]) }
      let point = LossCurve.Point(step: max(1, Int(share * Double(last))), loss: loss)
      training.add(point)
      if index % pick([1, 5, 100]) == 0 { validation.add(point) }
    }
    let curve = LossCurve(optimum: optimum, training: training, validation: validation)
    let title = pick(["Loss of runs/stories", "", "a & b", String(repeating: "a long title ", count: 30),
      String(repeating: "模型", count: 60)])
    if curve.svg(title: title).isEmpty { return }
    try expectApart(curve, title: title, "seed \(seed)")
  }

  @Test("places are moved apart as little as needed, in their order")
  func apart() {
    #expect(CurvePicture.apart([50, 52, 90], distance: 10, in: 0...100) == [50, 60, 90])
    #expect(CurvePicture.apart([99, 98, 97], distance: 10, in: 0...100) == [100, 90, 80])
    #expect(CurvePicture.apart([-5, 3], distance: 10, in: 0...100) == [0, 10])
    #expect(CurvePicture.apart([], distance: 10, in: 0...100) == [])
  }

  @Test(
    "numbers of labels", arguments: [
      (0.0, "0"), (0.26841, "0.2684"), (-0.5, "-0.5000"), (9.6e-5, "9.6e-05"), (12.3456, "12.346"), (1234.56, "1234.6"),
      (2_500_000, "2.50e+06"), (9.999e20, "1.00e+21"), (-1e6, "-1.00e+06"),
    ])
  func numbers(value: Double, label: String) { #expect(NumberLabel.single(value) == label) }

  @Test("numbers of a logarithmic axis are few, round and inside, whatever the range", arguments: 1...60)
  func powers(span: Int) {
    for low in [-20.3, -4.0, -0.7, 2.2] {
      let range = low...low + Double(span) * 0.5 + 0.5, values = CurvePanel.powers(range)
      #expect((2...9).contains(values.count), "\(range): \(values)")
      #expect(Set(values.map(NumberLabel.power)).count == values.count)
      for value in values { #expect(range.contains(log10(value))) }
    }
  }
}
