import AutogradTestSupport

@testable import AutogradEngine

// Records of the operations that cut, join, pick and reduce.
extension OperationRecord {
  static var slice: OperationRecord {
    func slice(_ shape: [Int], _ ranges: Range<Int>?...) -> OperationCase {
      OperationCase(.slice, .slice(ranges), shape)
    }
    func refuses(_ shape: [Int], axis: Int, _ start: Int, _ length: Int, _ sentence: String) -> MisuseCase {
      MisuseCase(shape, says: sentence) { c, x throws(Misuse) in
        try c.slice(x[0], axis: axis, start: start, length: length)
      }
    }
    return OperationRecord(
      cases: [
        slice([7], 2..<5), slice([7], nil), slice([7], 3..<3), slice([4, 5], 1..<3),
        slice([4, 5], nil, 1..<4),
        slice([4, 5], 2..<3, 4..<5), slice([3, 4, 5], nil, 1..<2), slice([3, 4, 5], 0..<2, nil, 1..<5),
        slice([3, 4, 5], 1..<3, 2..<4, 0..<3), slice([0, 3], nil, 1..<2), slice([3, 0], 1..<2),
        slice([4], 4..<4),
        slice([2, 67], nil, 1..<66), slice([5, 1, 3], 2..<4), slice([2, 3, 4], 1..<2, 1..<2, 3..<4),
      ],
      largeCases: [slice([300, 201], 17..<280, 3..<190), slice([60_001], 5..<59_999)],
      misuses: [
        refuses(
          [7], axis: 0, 5, 3,
          "slice: axis 0 of shape [7] does not hold 3 elements from 5 on; ranges lie within 0..<7"),
        refuses([7], axis: 0, -1, 3, "does not hold 3 elements from -1 on"),
        refuses([7], axis: 0, 2, -1, "does not hold -1 elements from 2 on"),
        refuses([7, 2], axis: 1, 0, .max, "axis 1 of shape [7, 2] does not hold"),
        refuses([7, 2], axis: 0, .max, 1, "axis 0 of shape [7, 2] does not hold"),
        refuses([7], axis: 1, 0, 1, "slice: shape [7] has no axis 1"),
        refuses([], axis: 0, 0, 1, "slice: shape [] has no axis 0"),
      ])
  }

  static var concatenate: OperationRecord {
    func join(_ axis: Int, _ shapes: [Int]...) -> OperationCase {
      OperationCase(.concatenate, .concatenate(axis: axis), shapes: shapes)
    }
    func stack(_ axis: Int, _ shapes: [Int]...) -> OperationCase {
      OperationCase(.concatenate, .stack(axis: axis), shapes: shapes)
    }
    func refuses(_ shapes: [Int]..., axis: Int, stacking: Bool = false, _ sentence: String) -> MisuseCase {
      MisuseCase(shapes: shapes, says: sentence) { c, x throws(Misuse) in
        try x.withUnsafeBufferPointer { list throws(Misuse) in
          stacking
            ? try c.stack(list.baseAddress!, count: list.count, axis: axis)
            : try c.concatenate(list.baseAddress!, count: list.count, axis: axis)
        }
      }
    }
    return OperationRecord(
      cases: [
        join(0, [3], [4]), join(0, [2, 3], [1, 3]), join(1, [2, 3], [2, 1], [2, 4]),
        join(-1, [2, 3], [2, 3]),
        join(1, [2, 3, 4], [2, 1, 4]), join(0, [3]), join(0, [0], [2]), join(1, [3, 0], [3, 2]),
        join(0, [0, 2], [0, 2]),
        join(0, [1], [1], [1], [1], [1], [1]), stack(0, [3], [3]), stack(1, [3], [3], [3]),
        stack(-1, [2, 3], [2, 3]),
        stack(1, [2, 3], [2, 3]), stack(0, [], []), stack(0, [0], [0]), stack(2, [2, 3], [2, 3]),
        OperationCase(.concatenate, .concatenate(axis: 0), shapes: (0..<20).map { [1 + $0 % 3, 2] }),
      ],
      largeCases: [
        join(1, [300, 70], [300, 131]), join(0, [30_001], [30_000]), stack(1, [200, 150], [200, 150]),
      ],
      misuses: [
        refuses(
          [2, 3], [2, 4], axis: 0, "concatenate: shapes [2, 3] and [2, 4] differ in more than axis 0"),
        refuses([2, 3], [2], axis: 0, "concatenate: shapes [2, 3] and [2] differ in more than axis 0"),
        refuses([2, 3], axis: 2, "concatenate: shape [2, 3] has no axis 2"),
        refuses([], [], axis: 0, "concatenate: shape [] has no axis 0"),
        refuses([2, 3], [3, 2], axis: 0, stacking: true, "stack: shapes [2, 3] and [3, 2] differ"),
        refuses(
          [2, 3], axis: 3, stacking: true, "stack: there is no place 3 for a new axis in shape [2, 3]"),
        refuses([1, 1, 1, 1, 1, 1, 1, 1], axis: 0, stacking: true, "stack: there is no place 0"),
      ])
  }

  static var gather: OperationRecord {
    func gather(_ shape: [Int], axis: Int, _ tokens: [Int32], _ tokenShape: [Int]) -> OperationCase {
      OperationCase(.gather, .gather(axis: axis), shape, tokens: tokens, tokenShape: tokenShape)
    }
    let call: @Sendable (TapeCore, [Slot]) throws(Misuse) -> Slot = { c, x throws(Misuse) in
      try c.gather(x[0], x[1], axis: 1)
    }
    return OperationRecord(
      cases: [
        gather([3, 5], axis: -1, [4, 0, 2], [3]), gather([3, 5], axis: 1, [4, 0, 0, 0, 2, 1], [3, 2]),
        gather([3, 5], axis: 0, [2, 0, 1, 1, 2], [5]),
        gather([3, 2], axis: 0, [2, 0, 1, 1, 2, 2, 0, 0], [4, 2]),
        gather([7], axis: 0, [3], []), gather([7], axis: 0, [3, 3, 6], [3]),
        gather([2, 0], axis: 0, [], [0]),
        gather([0, 4], axis: 1, [], [0]), gather([3, 5], axis: 1, [], [3, 0]),
      ],
      largeCases: [
        gather([300, 90], axis: 1, (0..<300).map { Int32($0 * 17 % 90) }, [300]),
        gather([90, 200], axis: 0, (0..<400).map { Int32($0 * 17 % 90) }, [2, 200]),
      ],
      misuses: [
        MisuseCase(
          [2, 5], tokens: [0, 5], says: "gather: token 5 at position 1 is outside the vocabulary of 5", call),
        MisuseCase(
          [2, 5], tokens: [0, 1, 2],
          says: "gather: tokens of shape [3] do not pick along axis 1 of shape [2, 5]", call),
        MisuseCase(
          [2, 5], tokens: [0, 1, 2], tokenShape: [1, 3], says: "gather: tokens of shape [1, 3] do not pick",
          call),
        MisuseCase([2], tokens: [0], says: "gather: shape [2] has no axis 1", call),
      ])
  }

  static var extremum: OperationRecord {
    func cases(_ shape: [Int], _ axes: [Int] = []) -> [OperationCase] {
      [false, true].flatMap { keeping in
        [OperationCall.max(axes, keeping: keeping), .min(axes, keeping: keeping)].map {
          OperationCase(.extremum, $0, shape, distribution: .distinct)
        }
      }
    }
    func refuses(_ shape: [Int], _ axes: [Int], minimum: Bool = false, _ sentence: String) -> MisuseCase {
      MisuseCase(shape, says: sentence) { c, x throws(Misuse) in
        let name: StaticString = minimum ? "min" : "max"
        return try c.extremum(
          x[0], over: try c.axisBits(x[0], axes, name), keeping: false, minimum: minimum, name)
      }
    }
    let shapes: [([Int], [Int])] = [
      ([3, 4, 5], [0]), ([3, 4, 5], [1]), ([3, 4, 5], [2]), ([3, 4, 5], [0, 2]), ([3, 4, 5], [0, 1]),
      ([3, 4, 5], []),
      ([], []), ([1], [0]), ([67], []), ([2, 67], [-1]), ([67, 2], [0]), ([3, 130], [0]), ([1, 3], [0]),
      ([0, 3], [1]),
      ([3, 0, 2], [0]), ([2, 3, 1, 4, 2], [1, 3]), ([2, 1, 3], [1]),
    ]
    return OperationRecord(
      cases: shapes.flatMap { cases($0.0, $0.1) },
      largeCases: cases([200, 301]) + cases([200, 301], [0]) + cases([200, 301], [1])
        + cases([20, 31, 97], [0, 2]),
      misuses: [
        refuses([0], [], "max: an empty axis of shape [0] has no largest element"),
        refuses([3, 0], [1], minimum: true, "min: an empty axis of shape [3, 0] has no smallest element"),
        refuses([3], [1], "max: shape [3] has no axis 1"),
        refuses([3, 2], [1, -1], "max: axis -1 is named twice"),
      ])
  }

  static var variance: OperationRecord {
    func variance(_ shape: [Int], _ axes: [Int] = [], keeping: Bool = false, _ correction: Double = 0)
      -> OperationCase
    {
      OperationCase(.variance, .variance(axes, keeping: keeping, correction: correction), shape)
    }
    return OperationRecord(
      cases: [
        variance([7]), variance([3, 4, 5]), variance([3, 4, 5], [0]),
        variance([3, 4, 5], [1], keeping: true),
        variance([3, 4, 5], [2], 1), variance([3, 4, 5], [0, 2]),
        variance([3, 4, 5], [-1], keeping: true, 1),
        variance([]), variance([1]), variance([0]), variance([0, 3], [0]), variance([0, 3], [1]),
        variance([3, 0], [0]),
        variance([2, 67], [1]), variance([70, 3], [0], 1), variance([1, 4], [0]),
      ],
      largeCases: [variance([200, 301]), variance([200, 301], [0], 1), variance([200, 301], [1])],
      roundings: 32,
      misuses: [
        MisuseCase([2, 3], says: "variance: shape [2, 3] has no axis 2") { c, x throws(Misuse) in
          try c.variance(x[0], over: try c.axisBits(x[0], [2], "variance"), keeping: false, correction: 0)
        }
      ])
  }
}
