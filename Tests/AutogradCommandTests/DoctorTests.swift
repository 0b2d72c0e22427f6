import AutogradKernels
import Foundation
import Testing

@testable import AutogradCommand

/// Hints that follow from what was measured.
@Suite("Doctor") struct DoctorTests {
  @Test(
    "where bfloat16 products are slower than those of float32, a hint says so, and only there",
    arguments: [(166.0, 80.0, true), (80, 166, false), (100, 100, false), (100, nil, false), (nil, nil, false)]
      as [(Double?, Double?, Bool)])
  func precision(float32: Double?, bfloat16: Double?, isHinted: Bool) {
    var peaks = DoctorHints.Peaks()
    (peaks.float32, peaks.bfloat16) = (float32, bfloat16)
    let hints = DoctorHints.precision(peaks)
    let sentence =
      "bfloat16 products reach 80.0 GFLOP/s here, float32 166.0: --precision bf16 is slower, leave it out"
    #expect(hints == (isHinted ? [sentence] : []))
    let all = DoctorHints.all(threads: 1, peaks: peaks, others: OtherLoad())
    #expect(all.contains { $0.contains("--precision bf16") } == isHinted)
  }

  @Test("the hint on this machine follows the peaks that are shown beside it")
  func here() throws {
    let outcome = try autograd("doctor", "--json")
    let report = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let hints = try #require(report["hints"] as? [String])
    let float32 = try #require(report["peak_gflops_fp32"] as? Double), bfloat16 = report["peak_gflops_bf16"] as? Double
    #expect(hints.contains { $0.contains("--precision bf16") } == (bfloat16.map { $0 < float32 } ?? false))
    #expect((bfloat16 != nil) == (report["bfloat16_products"] as? Bool))
  }
}
