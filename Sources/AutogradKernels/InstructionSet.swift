import CAutogradKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A set of vector instructions that the kernels are compiled for.
public enum InstructionSet: String, Sendable, CaseIterable, Comparable {
  case baseline
  case avx2
  case avx512

  var code: ck_instruction_set {
    switch self {
    case .baseline: CK_BASELINE
    case .avx2: CK_AVX2
    case .avx512: CK_AVX512
    }
  }

  /// Outputs of a stored weight that lie side by side, as this set's products read them.
  public var panelWidth: Int {
    // INVARIANT: a set that is at most `widest` is compiled in, and its table is a constant.
    unsafe ck_table_for(min(self, .widest).code, 4).pointee.nr
  }

  public static func < (a: InstructionSet, b: InstructionSet) -> Bool { a.code.rawValue < b.code.rawValue }

  /// The widest set that this CPU and operating system run.
  public static let widest: InstructionSet = {
    let code = ck_widest_instruction_set()
    return allCases.first { $0.code == code } ?? .baseline
  }()

  /// Every set that runs here, narrowest first.
  public static var available: [InstructionSet] { allCases.filter { $0 <= widest } }

  /// The set to use: the widest, or what `AUTOGRAD_ISA=baseline|avx2|avx512` names. A name that is unknown or
  /// wider than the CPU is passed over. Read once.
  public static let preferred: InstructionSet = {
    guard let requested, let named = InstructionSet(rawValue: requested) else { return widest }
    return min(named, widest)
  }()

  /// What `AUTOGRAD_ISA` says, whether it names a set or not. Read once.
  public static let requested: String? = {
    // INVARIANT: getenv yields null or a terminated string; it is copied before anything could change it.
    unsafe getenv("AUTOGRAD_ISA").map { unsafe String(cString: $0) }
  }()
}
