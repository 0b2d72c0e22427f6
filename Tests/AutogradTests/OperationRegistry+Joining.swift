import TestSupport

@testable import Autograd

// Records of the operations that cut, join and pick.
extension OperationRecord {
  static var slice: OperationRecord {
    func slice(_ shape: [Int], _ axis: Int, _ start: Int, _ length: Int) -> OperationCase {
      OperationCase(.slice, .slice(axis: axis, start: start, length: length), shape)
    }
    func refuses(_ shape: [Int], _ axis: Int, _ start: Int, _ length: Int, _ sentence: String) -> MisuseCase {
      MisuseCase(shape, says: sentence) { c, x throws(Misuse) in
        try c.slice(x[0], axis: axis, start: start, length: length)
      }
    }
    return OperationRecord(
      cases: [
        slice([5], 0, 1, 3), slice([4, 6], 0, 1, 2), slice([4, 6], 1, 2, 3), slice([4, 6], -1, 5, 1),
        slice([2, 3, 4], 1, 0, 3), slice([2, 3, 4], 1, 1, 1), slice([4, 6], 1, 6, 0), slice([0, 3], 0, 0, 0),
        slice([1], 0, 0, 1),
      ],
      largeCases: [slice([300, 201], 1, 17, 100), slice([301, 200], 0, 3, 250)],
      misuses: [
        refuses([4, 6], 1, 4, 3, "slice: axis 1 of shape [4, 6] does not hold 3 elements from 4 on"),
        refuses([4, 6], 1, -1, 3, "does not hold 3 elements from -1 on"),
        refuses([4, 6], 0, 0, -1, "does not hold -1 elements"),
        refuses([4, 6], 0, 1, .max, "does not hold"),
        refuses([4, 6], 2, 0, 1, "slice: shape [4, 6] has no axis 2"),
        refuses([], 0, 0, 1, "slice: shape [] has no axis 0"),
      ])
  }

  static var concatenate: OperationRecord {
    func join(_ axis: Int, _ shapes: [Int]...) -> OperationCase {
      OperationCase(.concatenate, .concatenate(axis: axis), shapes: shapes)
    }
    func refuses(_ a: [Int], _ b: [Int], _ axis: Int, _ sentence: String) -> MisuseCase {
      MisuseCase(a, b, says: sentence) { c, x throws(Misuse) in
        unsafe try x.withUnsafeBufferPointer { parts throws(Misuse) in
          unsafe try c.concatenate(parts.baseAddress!, count: 2, axis: axis)
        }
      }
    }
    return OperationRecord(
      cases: [
        join(0, [3], [2]), join(0, [2, 3], [4, 3]), join(1, [2, 3], [2, 1], [2, 5]), join(-1, [2, 3, 4], [2, 3, 2]),
        join(1, [2, 3, 4], [2, 1, 4], [2, 2, 4], [2, 3, 4]), join(0, [2, 3]), join(0, [0], [3]), join(1, [2, 0], [2, 2]),
      ],
      largeCases: [join(1, [300, 101], [300, 64]), join(0, [101, 300], [64, 300])],
      misuses: [
        refuses([2, 3], [3, 3], 1, "concatenate: shapes [2, 3] and [3, 3] differ in more than axis 1"),
        refuses([2, 3], [2], 1, "differ in more than axis 1"),
        refuses([2, 3], [2, 3], 2, "concatenate: shape [2, 3] has no axis 2"),
        refuses([], [], 0, "concatenate: shape [] has no axis 0"),
      ])
  }

  static var power: OperationRecord {
    func power(_ exponent: Double, _ distribution: Distribution = .uniform(0.3, 3)) -> [OperationCase] {
      [[], [3, 5], [0], [67]].map { OperationCase(.power, .power(exponent), $0, distribution: distribution) }
    }
    return OperationRecord(
      cases: power(0.5) + power(-0.5) + power(2, .awayFromZero) + power(3, .awayFromZero) + power(-1, .awayFromZero)
        + power(1.7) + power(1, .awayFromZero) + power(0, .awayFromZero),
      largeCases: [OperationCase(.power, .power(0.5), [3, 20001], distribution: .uniform(0.3, 3))], misuses: [])
  }

  static var maximum: OperationRecord {
    func maximum(_ shape: [Int], _ axis: Int, keeping: Bool = false) -> OperationCase {
      OperationCase(.maximum, .maximum(axis: axis, keeping: keeping), shape)
    }
    func refuses(_ shape: [Int], _ axis: Int, _ sentence: String) -> MisuseCase {
      MisuseCase(shape, says: sentence) { c, x throws(Misuse) in try c.maximum(x[0], axis: axis, keeping: false) }
    }
    return OperationRecord(
      cases: [
        maximum([5], 0), maximum([4, 5], 0), maximum([4, 5], 1), maximum([2, 3, 4], 1, keeping: true),
        maximum([2, 3, 4], -1, keeping: true), maximum([1, 1], 0), maximum([0, 3], 1),
      ],
      largeCases: [maximum([301, 200], 0), maximum([301, 200], 1)],
      misuses: [
        refuses([0], 0, "max: axis 0 of shape [0] is empty"), refuses([3, 0], 1, "max: axis 1 of shape [3, 0] is empty"),
        refuses([3], 1, "max: shape [3] has no axis 1"),
      ])
  }
}
