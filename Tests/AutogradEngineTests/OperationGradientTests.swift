import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

@Suite("Operation gradients")
struct OperationGradientTests {
  /// Operands as parameters and as temporaries, their gradients written first and added to.
  static let uses = [(false, false), (false, true), (true, false), (true, true)]

  @Test(
    "agree with differences, wherever the gradient lies and whatever lay there before",
    arguments: OperationKind.allCases)
  func differences(kind: OperationKind) {
    for operation in OperationRecord.record(of: kind).cases {
      for (temporaries, accumulating) in Self.uses {
        let run = OperationRun<Double>(operation, temporaries: temporaries, accumulating: accumulating)
        var spoilt = false
        let report = checkGradients(
          of: run.parameters, step: operation.hasKink ? 1e-4 : 1e-3,
          sampleCount: temporaries || accumulating ? 6 : 30,
          backend: Backend(pool: singleThread)
        ) { tape in
          // The first step leaves garbage where the second, which runs backward, takes its buffers.
          if !spoilt { _ = tape.input(Tensor(repeating: .nan, shape: [1 << 15])) }
          spoilt = true
          return run.output(tape)
        }
        let isEmpty = run.parameters.allSatisfy { $0.count == 0 }
        #expect(
          report.passes || isEmpty,
          "\(operation.testDescription), temporaries \(temporaries), accumulating \(accumulating): \(report)")
      }
    }
  }
}
