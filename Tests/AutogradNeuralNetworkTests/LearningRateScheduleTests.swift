import AutogradNeuralNetwork
import Testing

@Suite("Learning-rate schedule") struct LearningRateScheduleTests {
  let schedule = LearningRateSchedule(peak: 1e-3, minimum: 1e-4, warmupSteps: 100, decaySteps: 2000)

  @Test("rises linearly, peaks after warm-up, is half-way down in the middle and ends at the minimum")
  func course() {
    #expect(schedule.rate(at: 0) == 1e-3 / 101)
    #expect(schedule.rate(at: 99) == 1e-3 * 100 / 101)
    #expect(schedule.rate(at: 100) == 1e-3)
    #expect(abs(schedule.rate(at: 1050) - 5.5e-4) < 1e-18)
    #expect(schedule.rate(at: 2000) == 1e-4)
    #expect(schedule.rate(at: 1_000_000) == 1e-4)
    for step in 100..<2000 { #expect(schedule.rate(at: step + 1) < schedule.rate(at: step)) }
  }

  @Test("no warm-up and no decay are allowed")
  func edges() {
    let flat = LearningRateSchedule(peak: 1, minimum: 0.5, warmupSteps: 0, decaySteps: 0)
    #expect(flat.rate(at: 0) == 0.5)
  }
}
