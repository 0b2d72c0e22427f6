import AutogradBase
import AutogradNeuralNetwork
import Testing

@testable import AutogradTraining

/// The one list of settings, and the schedule that follows from them.
@Suite("Settings") struct SettingTests {
  /// A value unlike the default, inside the range.
  private func other(_ setting: Setting) throws -> JSON {
    let value = setting.value(in: RunSettings())
    if setting.type is Bool.Type { return .bool(value.boolValue != true) }
    // Some have no value of their own: it follows from others.
    if setting.type is Int.Type { return .integer(Int64((value.intValue ?? 2) + 1)) }
    if setting.type is Double.Type { return .number((value.doubleValue ?? 8) / 2 + 0.25) }
    if setting.type.names.isEmpty { return .string(value.isNull ? "/a/model" : "77") }
    return .string(try #require(setting.type.names.first { $0 != value.stringValue }))
  }

  @Test("keys, options, aliases and letters are told apart; every one has help and a default inside its range")
  func list() {
    let names = Setting.all.flatMap { [$0.key] + $0.aliases }
    #expect(Set(names).count == names.count && names.count > 30)
    #expect(Set(Setting.all.compactMap(\.letter)).count == Setting.all.compactMap(\.letter).count)
    for setting in Setting.all {
      #expect(!setting.help.isEmpty && !setting.help.hasSuffix("."))
      #expect(Setting.named(setting.key)?.noun == setting.noun)
    }
    #expect(RunSettings().problem == nil)
    for preset in TrainingPreset.all + [.stories] { #expect(preset.settings.problem == nil, "\(preset.name)") }
  }

  @Test("every property of a run's settings has a setting, and every setting a property of its own")
  func complete() throws {
    var changed = RunSettings()
    for setting in Setting.all {
      let before = changed, value = try other(setting)
      #expect(setting.set(value, in: &changed))
      #expect(changed != before && setting.value(in: changed) == value, "\(setting.key)")
      for third in Setting.all where third.key != setting.key {
        // The end of a schedule follows the end of the run, its minimum the peak, its warm-up the length.
        guard !["min_lr", "warmup_iters", "lr_decay_iters"].contains(third.key) else { continue }
        #expect(third.value(in: changed) == third.value(in: before), "\(setting.key) changes \(third.key)")
      }
    }
    func same(_ a: Any, _ b: Any) -> [String] {
      zip(Mirror(reflecting: a).children, Mirror(reflecting: b).children).compactMap {
        "\($0.value)" == "\($1.value)" ? $0.label : nil
      }
    }
    #expect(same(RunSettings(), changed) == [])
    // A share that presets alone decide.
    #expect(same(TrainingConfiguration(), changed.configuration) == ["finalRateShare"])
  }

  @Test("files keep every setting but sizes; what a file may lack has its default, the rest is missed by name")
  func files() throws {
    var settings = RunSettings()
    for setting in Setting.all where setting.section != .model { _ = setting.set(try other(setting), in: &settings) }
    let members = settings.members
    #expect(try RunSettings(Fields(.object(members))) == settings)
    for setting in Setting.all where setting.section != .model {
      func without(_ members: [JSON.Member]) -> [JSON.Member] {
        members.filter { $0.key != setting.key }.map { member in
          member.value.objectValue.map { JSON.Member(member.key, .object(without($0))) } ?? member
        }
      }
      let lacking = Fields(.object(without(members)))
      if setting.isOptionalInFiles {
        #expect(setting.value(in: try RunSettings(lacking)) == setting.value(in: RunSettings()))
      } else {
        let problem = #expect(throws: RecordProblem.self) { try RunSettings(lacking) }
        #expect(problem?.sentence == "the key \"\(setting.key)\" is missing")
      }
    }
  }

  @Test("each setting at and beyond the ends of its type: a sentence that names it, or steps that can be counted")
  func ends() throws {
    for setting in Setting.all {
      let ends: [JSON]
      if setting.type is Int.Type {
        ends = [.max, .min, -1, 0, SettingRange<Int>.most].map { .integer(Int64($0)) }
      } else if setting.type is Double.Type {
        ends = [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, .infinity, .nan, .leastNonzeroMagnitude, 1]
          .map { JSON.exact($0) }
      } else {
        continue
      }
      for end in ends {
        var settings = RunSettings()
        _ = setting.set(end, in: &settings)
        if let problem = settings.problem {
          #expect(problem.hasPrefix(setting.noun + " must "), "\(setting.key): \(problem)")
          continue
        }
        let configuration = settings.configuration, last = configuration.maximumSteps
        for step in [0, 1, max(0, last - 1), last] { #expect(!configuration.schedule.rate(at: step).isNaN) }
        _ = configuration.doubts(from: 1)
        _ = last * configuration.accumulation + configuration.evaluationInterval + configuration.saveInterval
      }
    }
    var most = TrainingConfiguration()
    most.maximumSteps = SettingRange<Int>.most
    most.accumulation = SettingRange<Int>.mostAccumulated
    #expect(most.problem == nil && most.maximumSteps.multipliedReportingOverflow(by: most.accumulation).overflow == false)
  }

  // MARK: The schedule

  @Test("a schedule that was left open follows the number of steps")
  func following() {
    var configuration = TrainingConfiguration()
    configuration.maximumSteps = 50
    #expect(configuration.schedule.decaySteps == 50 && configuration.schedule.warmupSteps == 5)
    #expect(configuration.schedule.minimum == 1e-3 * 0.1)
    configuration.maximumSteps = 5000
    #expect(configuration.schedule.decaySteps == 5000 && configuration.schedule.warmupSteps == 100)
    configuration.decaySteps = 10
    #expect(configuration.schedule.decaySteps == 10)
    configuration.minimumLearningRate = 0
    #expect(configuration.schedule.minimum == 0)
  }

  @Test("with more steps, a rate that was to fall until the end falls until the new end; one with an end of its own does not")
  func resumedSchedule() {
    var run = RunSettings(), asked = run
    run.configuration.decaySteps = run.configuration.maximumSteps  // as a file says it
    asked.configuration.maximumSteps = 3000
    func decay(_ given: Set<String>) -> Int {
      run.changed(by: asked, given: given).configuration.schedule.decaySteps
    }
    #expect(decay(["max_iters"]) == 3000)
    #expect(decay([]) == 2000)
    asked.configuration.decaySteps = 2500
    #expect(decay(["max_iters", "lr_decay_iters"]) == 2500)
    asked.configuration.maximumSteps = 1000
    #expect(decay(["max_iters"]) == 2000)
    asked.configuration.maximumSteps = 3000
    run.configuration.decaySteps = 1500
    #expect(decay(["max_iters"]) == 1500)
  }

  private func doubts(from step: Int = 0, _ change: (inout TrainingConfiguration) -> Void) -> [String] {
    var configuration = TrainingConfiguration()
    configuration.maximumSteps = 1000
    configuration.warmupSteps = 100
    change(&configuration)
    return configuration.doubts(from: step)
  }

  @Test("what a schedule can be and is hardly meant to be is said, what is fine is not")
  func doubtful() {
    #expect(doubts { _ in } == [])
    #expect(doubts { $0.decaySteps = 900 } == [])
    #expect(
      doubts { $0.warmupSteps = 1000 } == [
        "the warm-up takes 1000 steps and the run ends after 1000: the learning rate gets no further than 100 % of "
          + "0.001; make the warm-up shorter"
      ])
    #expect(doubts { $0.warmupSteps = 4000 }.first?.contains("no further than 25 % of 0.001") == true)
    #expect(
      doubts { $0.decaySteps = 50 } == [
        "the learning rate is to reach its minimum at step 50, when its warm-up of 100 steps is not over: it drops from "
          + "0.001 to 0.0001 at once; let it fall for more steps"
      ])
    #expect(
      doubts { $0.minimumLearningRate = 0.5 }
        == ["the minimum learning rate, 0.5, is above the learning rate, 0.001: the rate rises to it"])
    #expect(
      doubts(from: 600) { $0.decaySteps = 500 } == [
        "from step 600 to the end at 1000 the learning rate stays at its minimum, 0.0001; let it fall for more steps"
      ])
    #expect(
      doubts {
        $0.decaySteps = 500
        $0.minimumLearningRate = 0
      } == [
        "from step 500 to the end at 1000 the learning rate stays at its minimum, 0.0, and nothing is learnt; let it fall "
          + "for more steps"
      ])
    // A constant rate looks at neither minimum nor end; a run that is over has no doubts.
    #expect(
      doubts {
        $0.decay = .constant
        $0.decaySteps = 1
        $0.minimumLearningRate = 1
      } == [])
    #expect(doubts(from: 1000) { $0.warmupSteps = 5000 } == [])
  }
}
