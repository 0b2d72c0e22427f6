import AutogradBase
import Testing

@testable import AutogradTraining

@Suite("A curve of any length") struct ThinnedPointsTests {
  @Test("a curve of any length stays small, keeps its first and latest point, and comes back from JSON")
  func curve() throws {
    var points = ThinnedPoints()
    for step in 1...100_000 { points.add(LossCurve.Point(step: step, loss: Double(step))) }
    #expect(points.kept.count <= ThinnedPoints.limit && points.kept.count >= ThinnedPoints.limit / 2)
    #expect(points.withLatest.first?.step == 1 && points.withLatest.last?.step == 100_000)
    let gaps = zip(points.kept.dropFirst(), points.kept).map { $0.step - $1.step }
    #expect(Set(gaps) == [points.stride])
    var again = try ThinnedPoints(Fields(try JSON(parsing: points.json.serialized())))
    #expect(again == points)
    for step in 100_001...200_000 {
      points.add(LossCurve.Point(step: step, loss: 0))
      again.add(LossCurve.Point(step: step, loss: 0))
    }
    #expect(again == points)
  }
}
