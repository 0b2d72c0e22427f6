import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// Serialised: a pool that is found busy would run serially, and the comparison would be vain.
@Suite("Thread independence", .serialized)
struct ThreadIndependenceTests {
  @Test("operations give the same bits on 1, 2, 3 and 8 threads", arguments: OperationKind.allCases)
  func threads(kind: OperationKind) {
    let pools = [1, 2, 3, 8].map { ThreadPool(threads: $0) }
    for operation in OperationRecord.record(of: kind).largeCases {
      compare(OperationRun<Float>(operation), pools)
      compare(OperationRun<Double>(operation), pools)
    }
  }

  private func compare<S: TensorScalar>(_ run: OperationRun<S>, _ pools: [ThreadPool]) {
    let results = pools.map { run.run(Tape<S>(backend: Backend(pool: $0))) }
    for (result, pool) in zip(results, pools).dropFirst() {
      let what = "\(run.operation.testDescription), \(S.self), on \(pool.threadCount) threads"
      expectSameBits(result.output.elements, results[0].output.elements, what)
      for index in result.gradients.indices {
        expectSameBits(
          result.gradients[index].elements, results[0].gradients[index].elements, "\(what), operand \(index)")
      }
    }
  }
}
