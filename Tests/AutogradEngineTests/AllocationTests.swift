import CAutogradTestSupport
import AutogradKernels
import AutogradTestSupport
import Testing

@testable import AutogradEngine

/// Serialised, and the only suite that looks at the counter of all threads does so with pools of its own.
@Suite("Heap allocations", .serialized)
struct AllocationTests {
  @Test("the counter counts", .enabled(if: ctest_counts_allocations() != 0))
  func counts() {
    let before = ctest_thread_allocations()
    let block = UnsafeMutableRawPointer.allocate(byteCount: 1000, alignment: 16)
    #expect(ctest_thread_allocations() == before + 1)
    block.deallocate()
    #expect(ctest_all_allocations() >= ctest_thread_allocations())
  }

  @Test(
    "a step of any operation allocates nothing after the second", .enabled(if: ctest_counts_allocations() != 0),
    arguments: OperationKind.allCases.filter { $0 != .userDefined })
  func steps(kind: OperationKind) {
    let pool = ThreadPool(threads: 2)
    let record = OperationRecord.record(of: kind)
    for operation in record.cases.suffix(6) + record.largeCases.prefix(1) {
      let run = OperationRun<Float>(operation, temporaries: true)
      let tape = Tape<Float>(backend: Backend(pool: pool))
      func step() {
        tape.step { tape in
          let y = run.output(tape)
          (y * y).sum().backward()
        }
      }
      step()
      step()
      let before = ctest_thread_allocations()
      for _ in 0..<3 { step() }
      #expect(ctest_thread_allocations() == before, "\(operation.testDescription)")
    }
  }
}
