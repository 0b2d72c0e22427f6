import AutogradEngine
import AutogradBase
import Testing

@Suite("Diagnosis") struct DiagnosisTests {
  private func parameter(_ name: String, _ values: Tensor<Double>) -> Parameter<Double> {
    let parameter = Parameter(values)
    parameter.name = name
    return parameter
  }

  @Test("the first NaN is named with operation, index, step and the parameter nearby")
  func firstNonFinite() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let tape = Tape<Double>(), weight = Parameter<Double>([[1, -1], [2, 3]])
      weight.name = "layers.0.weight"
      tape.findsNonFinite = true
      tape.step { tape in
        let h = tape.input([[1, 1]]).linear(weight)
        _ = h.log().sum()
      }
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("log: the first number that is not finite: -inf at index 0 of its result [1, 2], in step 1"))
    #expect(text.contains("after layers.0.weight"))
  }

  @Test("a gradient that is not finite is named too, though the loss is finite")
  func firstNonFiniteGradient() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let tape = Tape<Double>(), x = Parameter<Double>([0, 4])
      x.name = "x"
      tape.findsNonFinite = true
      // 1/(1/x): finite forward away from 0 … its derivative at x → ∞·0 is not.
      tape.step { tape in
        let y = (tape.variable(x) * 1e200) * (tape.variable(x) * 1e200 * 0)
        (y * 1e308).sum().backward(seed: 1e308)
      }
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("the first gradient that is not finite"))
  }

  @Test("firstNonFinite tells without stopping, leaves nothing behind, and finds nothing in a good step")
  func firstNonFiniteWithoutStopping() {
    let tape = Tape<Double>(), weight = parameter("layers.0.weight", [[1, -1], [2, 3]])
    func run(_ input: Tensor<Double>) {
      tape.step { tape in tape.input(input).linear(weight).log().sum().backward() }
    }
    #expect(tape.firstNonFinite { run([[3, 1]]) } == nil)
    let found = tape.firstNonFinite { run([[1, 1]]) }
    let sentence =
      "log: the first number that is not finite: -inf at index 0 of its result [1, 2], after layers.0.weight;"
    #expect(found?.description.hasPrefix(sentence) == true)
    #expect(!tape.findsNonFinite)
    run([[1, 1]])
  }

  @Test("finite steps pass, and values are the same with and without watching")
  func watchingChangesNothing() {
    let weight = parameter("w", [[1, 2], [3, 4]])
    func loss(_ tape: Tape<Double>) -> Double {
      tape.step { tape in
        let loss = tape.input([[5, 6]]).linear(weight).gelu().sum()
        loss.backward()
        return loss.value
      }
    }
    let plain = Tape<Double>(), watched = Tape<Double>()
    watched.findsNonFinite = true
    watched.isProfiling = true
    let expected = loss(plain), gradient = weight.gradient
    #expect(loss(watched) == expected)
    #expect(weight.gradient == gradient)
  }

  @Test("each reason for a zero gradient is told apart")
  func explanations() {
    let tape = Tape<Double>()
    let flows = parameter("flows", [1, 2]), frozen = parameter("frozen", [1]), unused = parameter("unused", [1])
    let aside = parameter("aside", [1]), dead = parameter("dead", [-1])
    frozen.isTrainable = false
    let all = [flows, frozen, unused, aside, dead]
    tape.step { tape in
      _ = tape.variable(aside) * 2
      let loss = tape.variable(flows).sum() + (tape.variable(dead).relu() * tape.variable(frozen)).sum()
      loss.backward()
    }
    #expect(tape.explainGradients(of: all).map(\.reason) == [.flows, .frozen, .neverUsed, .notReached, .exactlyZero])
    #expect(tape.explainGradients(of: all).map(\.parameter) == ["flows", "frozen", "unused", "aside", "dead"])
    tape.step { tape in _ = tape.variable(flows).sum() }
    #expect(tape.explainGradients(of: [flows]).map(\.reason) == [.noBackward])
  }

  @Test("a profile counts runs and bytes, and its trace is what trace viewers read")
  func profile() throws {
    let tape = Tape<Double>(), weight = parameter("w", [[1, 2], [3, 4]])
    tape.isProfiling = true
    tape.step { tape in
      var x = tape.input([[5, 6]])
      for _ in 0..<3 { x = x.linear(weight, activation: .tanh) }
      x.sum().backward()
    }
    let profile = try #require(tape.lastProfile)
    let linear = try #require(profile.totals.first { $0.name == "linear" })
    #expect(linear.count == 3)
    #expect(linear.bytes >= 3 * 128)
    #expect(linear.backwardNanoseconds > 0)
    #expect(profile.description.contains("linear"))
    let trace = try JSON(parsing: profile.chromeTrace())
    let events = try #require(trace["traceEvents"]?.arrayValue)
    #expect(events.count == profile.events.count)
    for event in events {
      #expect(event["ph"]?.stringValue == "X")
      #expect(["forward", "backward"].contains(event["cat"]?.stringValue))
      #expect((event["dur"]?.doubleValue ?? -1) >= 0)
    }
  }

  @Test("the largest and the smallest go by their own names, forward, backward and in the summary")
  func extrema() throws {
    let tape = Tape<Double>(), weight = parameter("w", [[1, 2], [3, 4]])
    tape.isProfiling = true
    for smallest in [true, false] {
      let summary = tape.step { tape in
        let x = tape.variable(weight)
        (smallest ? x.min() : x.max()).backward()
        return tape.summary()
      }
      let own = smallest ? "min" : "max", total = try #require(tape.lastProfile?.totals.first { $0.name == own })
      #expect(tape.lastProfile?.totals.map(\.name).contains(smallest ? "max" : "min") == false)
      #expect(total.count == 1 && total.backwardNanoseconds > 0)
      #expect(summary == "0  \(own)  []  w")
    }
  }

  @Test("growth names the operation and the step")
  func growth() throws {
    let tape = Tape<Double>()
    for size in [10, 10, 200_000] {
      tape.step { tape in _ = tape.input(Tensor(repeating: 1, shape: [size])).exp() }
    }
    let growth = try #require(tape.lastGrowth)
    #expect(growth.step == 3)
    // Each of the two needs a chunk of its own: the last one counts.
    #expect(growth.operation == "exp")
  }

  @Test("a summary lists what was recorded, with parameters by name")
  func summary() {
    let tape = Tape<Double>(), weight = parameter("w", [[1, 2], [3, 4]])
    let text = tape.step { tape in
      _ = tape.input([[5, 6]]).linear(weight).sum()
      return tape.summary()
    }
    #expect(text == "0  linear  [1, 2]  w\n1  sum  []  ")
  }
}
