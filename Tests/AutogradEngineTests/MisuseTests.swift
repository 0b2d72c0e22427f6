import Glibc
import AutogradKernels
import AutogradTestSupport
import Testing

import AutogradEngine

/// Each mistake stops the program with its sentence, in release builds too. Every test has a process of its own.
@Suite("Misuse stops with a sentence")
struct MisuseTests {
  init() { silenceCrashReports() }

  @Test("a variable of an earlier step")
  func stale() async throws {
    try expectSentence(
      "add: variable of step 41 used in step 42; temporaries end with their step; copy it out with .array",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>()
        var kept: Variable<Float>?
        for step in 1...42 {
          tape.step { tape in
            if step == 42, let kept { _ = tape.input([1]) + kept }
            kept = tape.input([1])
          }
        }
      })
  }

  @Test("tokens without ids in a step that computes")
  func plannedTokens() async throws {
    try expectSentence(
      "plannedTokens: a step computes with its tokens; give it ids with tape.tokens",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        Tape<Float>().step { tape in _ = tape.plannedTokens(shape: [2, 3]) }
      })
  }

  @Test("a variable after its step")
  func afterStep() async throws {
    try expectSentence(
      "array: variable of step 1 used after step 1",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>()
        var kept: Variable<Float>?
        tape.step { tape in kept = tape.input([1]) }
        _ = kept?.array
      })
  }

  @Test("a variable of a tape that is gone, also when another has taken its place")
  func deadTape() async throws {
    try expectSentence(
      "value: variable of a tape that no longer exists",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        var kept: Variable<Float>?
        func use() { Tape<Float>().step { tape in kept = tape.input(Tensor(1)) } }
        use()
        let next = Tape<Float>()
        next.step { _ in _ = kept?.value }
      })
  }

  @Test("variables of two tapes")
  func twoTapes() async throws {
    try expectSentence(
      "multiply: variables of two different tapes; bring one over with .array and tape.input",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let a = Tape<Float>(), b = Tape<Float>()
        a.step { a in b.step { b in _ = a.input([1]) * b.input([1]) } }
      })
  }

  @Test("a variable on another thread")
  func otherThread() async throws {
    try expectSentence(
      "value: variable of a tape that another thread is using",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>()
        tape.step { tape in
          struct Box: @unchecked Sendable { let variable: Variable<Float> }
          let box = Box(variable: tape.input(Tensor(1)))
          var thread = pthread_t()
          let argument = UnsafeMutablePointer<Box>.allocate(capacity: 1)
          argument.initialize(to: box)
          pthread_create(
            &thread, nil,
            { argument in
              _ = argument?.assumingMemoryBound(to: Box.self).pointee.variable.value
              return nil
            }, argument)
          pthread_join(thread, nil)
        }
      })
  }

  @Test("a variable of a scope that has ended")
  func endedScope() async throws {
    try expectSentence(
      "tanh: variable of a scope that has ended; return it from the scope, or copy it out with .array",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>()
        tape.step { tape in
          var kept: Variable<Float>?
          let result = tape.inference {
            tape.scope {
              kept = tape.input([1, 2])
              return tape.input([3])
            }
          }
          guard result.array == [3] else { exit(0) }
          _ = kept?.tanh()
        }
      })
  }

  @Test("a second backward")
  func secondBackward() async throws {
    try expectSentence(
      "backward: these operations were walked by an earlier backward, which consumed them",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let x = Parameter<Float>([1, 2])
        Tape<Float>().step { tape in
          let loss = (tape.variable(x) * 2).sum()
          loss.backward()
          loss.backward()
        }
      })
  }

  @Test("backward from more than one number")
  func notScalar() async throws {
    try expectSentence(
      "backward: expected a single number, got shape [2]; reduce it with .sum() or .mean()",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let x = Parameter<Float>([1, 2])
        Tape<Float>().step { tape in (tape.variable(x) * 2).backward() }
      })
  }

  @Test("backward without a trainable parameter")
  func nothingTrainable() async throws {
    try expectSentence(
      "backward: the variable does not depend on any trainable parameter",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let x = Parameter<Float>([1, 2])
        x.isTrainable = false
        Tape<Float>().step { tape in (tape.variable(x) * 2).sum().backward() }
      })
  }

  @Test("backward inside inference")
  func backwardInInference() async throws {
    try expectSentence(
      "backward: nothing is recorded inside inference",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let x = Parameter<Float>([1, 2])
        Tape<Float>().step { tape in tape.inference { (tape.variable(x) * 2).sum().backward() } }
      })
  }

  @Test("the gradient of a temporary that was not retained")
  func gradientGone() async throws {
    try expectSentence(
      "gradient: this temporary has no gradient to read; call retainGradient() before backward",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let x = Parameter<Float>([1, 2])
        Tape<Float>().step { tape in
          let y = tape.variable(x) * 2
          y.sum().backward()
          _ = y.gradient
        }
      })
  }

  @Test("a step inside a step")
  func nestedSteps() async throws {
    try expectSentence(
      "step: a step is already running; end it before the next; steps do not nest",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>()
        tape.step { tape in tape.step { _ in } }
      })
  }

  @Test("computing outside of a step")
  func noStep() async throws {
    try expectSentence(
      "input: no step is running; compute inside tape.step { … }",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = Tape<Float>().input([1])
      })
  }

  @Test("shapes that do not fit")
  func shapes() async throws {
    try expectSentence(
      "matmul: shapes [10, 20] and [10, 20] do not fit: 20 columns against 10 rows; "
        + "the left's columns must equal the right's rows; transpose one of them",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let x = Parameter<Float>(zeros: [10, 20])
        Tape<Float>().step { tape in _ = tape.variable(x).matmul(x) }
      })
  }

  @Test("pieces that do not make up their axis, more ranges than axes, and nothing to join")
  func cutting() async throws {
    try expectSentence(
      "split: lengths [1, 3] do not make up axis -1 of shape [2, 3]",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let x = Parameter<Float>(zeros: [2, 3])
        Tape<Float>().step { tape in _ = tape.variable(x).split([1, 3], axis: -1) }
      })
    try expectSentence(
      "slice: 2 ranges for the 1 axes of shape [2]",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        Tape<Float>().step { tape in _ = tape.input([1, 2]).slice([0..<1, 0..<1]) }
      })
    try expectSentence(
      "stack: there are no parts to join",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        Tape<Float>().step { _ in _ = Variable<Float>.stack([]) }
      })
  }

  @Test("a token outside the vocabulary, with its position")
  func token() async throws {
    try expectSentence(
      "embedding: token 9 at position 2 is outside the vocabulary of 7; tokens run from 0 to 6",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let table = Parameter<Float>(zeros: [7, 2])
        Tape<Float>().step { tape in _ = tape.tokens([0, 1, 9]).embedding(table) }
      })
  }

  @Test("more memory than the limit, naming operation, tensor, bytes and step")
  func memoryLimit() async throws {
    try expectSentence(
      "exp: no memory for a tensor [1000] of 4000 bytes in step 2: 4032 bytes are in use of the limit of "
        + "6000; make batch or context smaller, or raise the limit",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let tape = Tape<Float>(memoryLimit: 6000)
        let x = Tensor<Float>(repeating: 0, shape: [1000])
        tape.step { tape in _ = tape.input(x) }
        tape.step { tape in _ = tape.input(x).exp() }
      })
  }

  @Test("more axes than a shape has")
  func rank() async throws {
    try expectSentence(
      "shape: more than 8 axes",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = Tensor<Float>(shape: [1, 1, 1, 1, 1, 1, 1, 1, 1], [0])
      })
  }

  @Test("tensors and parameters of the wrong number of elements")
  func elements() async throws {
    try expectSentence(
      "Tensor: shape [2, 3] has 6 elements, got 5",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = Tensor<Float>(shape: [2, 3], [1, 2, 3, 4, 5])
      })
    try expectSentence(
      "Parameter.set: expected 2 elements for shape [2], got 1",
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        Parameter<Float>([1, 2]).set([1])
      })
  }
}
