import AutogradNeuralNetwork
import Testing

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
}
