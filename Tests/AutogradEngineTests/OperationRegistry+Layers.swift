import AutogradTestSupport

@testable import AutogradEngine

// Records of the operations that change shapes, reduce, or are layers of their own.
extension OperationRecord {
  static var reshape: OperationRecord {
    func reshape(_ from: [Int], _ to: [Int]) -> OperationCase {
      OperationCase(.reshape, .reshape(Shape(to)), from)
    }
    func refuses(_ from: [Int], _ to: [Int], _ sentence: String) -> MisuseCase {
      MisuseCase(from, says: sentence) { c, x throws(Misuse) in try c.reshape(x[0], to: Shape(to)) }
    }
    return OperationRecord(
      cases: [
        reshape([2, 3], [3, 2]), reshape([6], [1, 2, 3]), reshape([2, 3], [-1]), reshape([1], []),
        reshape([], [1, 1]), reshape([4, 5], [2, -1]), reshape([0, 3], [3, 0]), reshape([0], [0, 7]),
      ],
      largeCases: [reshape([300, 200], [200, 300])],
      misuses: [
        refuses([2, 3], [4], "reshape: [2, 3] has 6 elements, [4] has 4"),
        refuses([2, 3], [4, -1], "reshape: 6 elements of [2, 3] do not divide into [4, -1]"),
        refuses([2, 3], [-1, -1], "reshape: [-1, -1] leaves two lengths open"),
        refuses([0, 3], [0, -1], "do not divide into [0, -1]"),
        refuses([2, 3], [-2, -3], "reshape: shape [-2, -3] has a negative length"),
        refuses([2, 3], [-2, -1], "reshape: shape [-2, -1] has a negative length"),
        refuses([2, 3], [1 << 32, 1 << 32], "has more elements than any memory holds"),
        refuses([2, 3], [1 << 32, 1 << 32, -1], "has more elements than any memory holds"),
      ])
  }

  static var recompute: OperationRecord {
    let shapes: [[Int]] = [[], [1], [7], [3, 5], [2, 0, 3], [67]]
    return OperationRecord(
      cases: shapes.flatMap { shape in
        [true, false].map { OperationCase(.recompute, .recomputed(residual: $0), shape) }
      },
      largeCases: [OperationCase(.recompute, .recomputed(residual: false), [3, 20001])],
      // Their sentences are those of what stands inside: see RecomputationTests.swift.
      misuses: [])
  }

  static var permute: OperationRecord {
    func permute(_ shape: [Int], _ order: [Int]) -> OperationCase {
      OperationCase(.permute, .permute(Shape(order)), shape)
    }
    func refuses(_ shape: [Int], _ order: [Int]) -> MisuseCase {
      MisuseCase(
        shape, says: "permute: \(Shape(order)) does not name each axis of shape \(Shape(shape)) once"
      ) { c, x throws(Misuse) in try c.permute(x[0], Shape(order), "permute") }
    }
    return OperationRecord(
      cases: [
        permute([2, 3], [1, 0]), permute([2, 3, 4], [2, 0, 1]), permute([2, 3, 4], [1, 2, 0]),
        permute([2, 3, 4, 5], [0, 2, 1, 3]), permute([2, 3], [0, 1]), permute([2, 3], [-1, 0]),
        permute([], []),
        permute([5], [0]), permute([1, 3, 1], [2, 1, 0]), permute([2, 0, 3], [2, 1, 0]),
        permute([1, 2, 1, 2, 1, 2, 1, 3], [7, 6, 5, 4, 3, 2, 1, 0]), permute([17, 19], [1, 0]),
        OperationCase(.permute, .transpose, [3, 4]), OperationCase(.permute, .transpose, [2, 1, 5]),
      ],
      largeCases: [permute([201, 303], [1, 0]), permute([7, 60, 90], [1, 0, 2])],
      misuses: [
        refuses([2, 3], [0, 0]), refuses([2, 3], [0]), refuses([2, 3], [0, 2]), refuses([2, 3], [0, 1, 1]),
        refuses([2], [-2]),
        MisuseCase([3], says: "transpose: expected at least 2 axes, got shape [3]") {
          c, x throws(Misuse) in try c.transpose(x[0])
        },
      ])
  }

  static var sum: OperationRecord {
    var cases: [OperationCase] = []
    for axes in [[], [0], [1], [2], [-1], [0, 1], [0, 2], [1, 2], [0, 1, 2]] {
      for keeping in [false, true] {
        cases.append(OperationCase(.sum, .sum(axes, keeping: keeping), [3, 4, 5]))
        cases.append(OperationCase(.sum, .mean(axes, keeping: keeping), [3, 4, 5]))
      }
    }
    for shape in [[], [1], [1, 1], [67], [0], [2, 0], [0, 2]] {
      cases.append(OperationCase(.sum, .sum(), shape))
    }
    cases += [
      OperationCase(.sum, .sum([0]), [0, 3]), OperationCase(.sum, .sum([1]), [0, 3]),
      OperationCase(.sum, .sum([0, 2]), [5, 3, 0]), OperationCase(.sum, .sum([1, 3]), [2, 3, 4, 5]),
      OperationCase(.sum, .sum([0, 2]), [2, 3, 4, 5]), OperationCase(.sum, .sum([1]), [3, 1, 4]),
      OperationCase(.sum, .mean([0]), [70, 3]), OperationCase(.sum, .sum([0]), [3, 130]),
      OperationCase(.sum, .sum([0, 2, 4, 6]), [2, 1, 2, 3, 2, 1, 2, 2]),
    ]
    func refuses(_ axes: [Int], _ sentence: String) -> MisuseCase {
      MisuseCase([2, 3], says: sentence) { c, x throws(Misuse) in
        try c.sum(x[0], over: try c.axisBits(x[0], axes, "sum"), keeping: false, mean: false, "sum")
      }
    }
    return OperationRecord(
      cases: cases,
      largeCases: [
        OperationCase(.sum, .sum(), [200, 301]), OperationCase(.sum, .sum([0]), [200, 301]),
        OperationCase(.sum, .mean([1]), [200, 301]), OperationCase(.sum, .sum([0, 2]), [20, 31, 97]),
      ],
      misuses: [
        refuses([2], "sum: shape [2, 3] has no axis 2"), refuses([-3], "sum: shape [2, 3] has no axis -3"),
        refuses([1, 1], "sum: axis 1 is named twice"), refuses([1, -1], "sum: axis -1 is named twice"),
      ])
  }

  static var softmax: OperationRecord {
    let shapes: [[Int]] = [[], [1], [3, 5], [2, 3, 17], [4, 1], [0, 3], [3, 0], [2, 33]]
    return OperationRecord(
      cases: shapes.map { OperationCase(.softmax, .softmax, $0) },
      largeCases: [OperationCase(.softmax, .softmax, [211, 87])], misuses: [])
  }

  static var layerNorm: OperationRecord {
    var cases: [OperationCase] = []
    for (scale, shift) in [(false, false), (true, false), (false, true), (true, true)] {
      for x in [[4, 13], [2, 3, 17], [5], [1, 2], [0, 4], [70, 3]] {
        let channels = [[x[x.count - 1]]]
        cases.append(
          OperationCase(
            .layerNorm, .layerNorm(scale: scale, shift: shift),
            shapes: [x] + (scale ? channels : []) + (shift ? channels : [])))
      }
    }
    let call: @Sendable (TapeCore, [Slot]) throws(Misuse) -> Slot = { c, x throws(Misuse) in
      try c.layerNorm(x[0], scale: x[1], shift: x[2], epsilon: 1e-5)
    }
    return OperationRecord(
      cases: cases,
      largeCases: [
        OperationCase(.layerNorm, .layerNorm(scale: true, shift: true), [211, 187], [187], [187])
      ],
      roundings: 128,
      misuses: [
        MisuseCase(
          [4, 13], [4], [13], says: "layerNorm: x has shape [4, 13], so scale must be [13]; got [4]", call),
        MisuseCase(
          [4, 13], [13], [1], says: "layerNorm: x has shape [4, 13], so shift must be [13]; got [1]", call),
        MisuseCase([4, 13], [1, 13], [13], says: "so scale must be [13]; got [1, 13]", call),
      ])
  }

  static var embedding: OperationRecord {
    let call: @Sendable (TapeCore, [Slot]) throws(Misuse) -> Slot = { c, x throws(Misuse) in
      try c.embedding(x[0], x[1])
    }
    return OperationRecord(
      cases: [
        OperationCase(.embedding, .embedding, [7, 5], tokens: [6, 0, 3, 3, 3, 1], tokenShape: [2, 3]),
        OperationCase(.embedding, .embedding, [7, 5], tokens: [6, 6, 6]),
        OperationCase(.embedding, .embedding, [3, 67], tokens: [2], tokenShape: []),
        OperationCase(.embedding, .embedding, [3, 4], tokens: []),
        OperationCase(.embedding, .embedding, [3, 0], tokens: [1, 2]),
        OperationCase(.embedding, .embedding, [1, 1], tokens: [0, 0]),
      ],
      largeCases: [
        OperationCase(.embedding, .embedding, [50, 301], tokens: (0..<300).map { Int32($0 * 7 % 50) })
      ],
      misuses: [
        MisuseCase(
          [7, 5], tokens: [1, 7], says: "embedding: token 7 at position 1 is outside the vocabulary of 7",
          call),
        MisuseCase(
          [7, 5], tokens: [-1], says: "embedding: token -1 at position 0 is outside the vocabulary of 7", call
        ),
        MisuseCase(
          [7], tokens: [1], says: "embedding: expected a table [vocabulary, channels], got [7]", call),
      ])
  }

  static var dropout: OperationRecord {
    func refuses(_ rate: Double) -> MisuseCase {
      MisuseCase([3], says: "dropout: a dropout rate of \(rate)") { c, x throws(Misuse) in
        try c.dropout(x[0], rate: rate)
      }
    }
    return OperationRecord(
      cases: [[], [3, 5], [67], [0], [2, 130]].flatMap { shape in
        [0.5, 0.1].map { OperationCase(.dropout, .dropout(rate: $0), shape) }
      },
      largeCases: [OperationCase(.dropout, .dropout(rate: 0.3), [20001])],
      misuses: [refuses(1), refuses(-0.1), refuses(.nan), refuses(.infinity)])
  }

  static var crossEntropy: OperationRecord {
    let call: @Sendable (TapeCore, [Slot]) throws(Misuse) -> Slot = { c, x throws(Misuse) in
      try c.crossEntropy(x[0], x[1], ignoring: nil)
    }
    let weighted: @Sendable (TapeCore, [Slot]) throws(Misuse) -> Slot = { c, x throws(Misuse) in
      try c.crossEntropy(x[0], x[2], ignoring: nil, weights: x[1])
    }
    return OperationRecord(
      cases: [
        OperationCase(.crossEntropy, .crossEntropy(), [6, 11], tokens: [10, 0, 4, 4, 7, 1]),
        OperationCase(.crossEntropy, .crossEntropy(ignoring: -1), [6, 11], tokens: [10, -1, 4, -1, 7, 1]),
        OperationCase(
          .crossEntropy, .crossEntropy(ignoring: 4), [2, 3, 5], tokens: [4, 0, 1, 2, 4, 3],
          tokenShape: [2, 3]),
        OperationCase(.crossEntropy, .crossEntropy(), [19], tokens: [3], tokenShape: []),
        OperationCase(.crossEntropy, .crossEntropy(), [1, 1], tokens: [0]),
        OperationCase(.crossEntropy, .crossEntropy(), [3, 67], tokens: [66, 64, 0]),
        OperationCase(
          .crossEntropy, .crossEntropy(ignoring: -1, weights: [0.5, 2, 0, 1, 1.5, 0.25]), [6, 11],
          tokens: [10, -1, 4, 4, 7, 1]),
        OperationCase(
          .crossEntropy, .crossEntropy(weights: [3, 0, 0, 1, 0.125, 2]), [2, 3, 5], tokens: [4, 0, 1, 2, 4, 3],
          tokenShape: [2, 3]),
        OperationCase(.crossEntropy, .crossEntropy(weights: [0, 0]), [2, 5], tokens: [4, 0]),
      ],
      largeCases: [
        OperationCase(
          .crossEntropy, .crossEntropy(), [300, 131], tokens: (0..<300).map { Int32($0 * 17 % 131) })
      ],
      roundings: 32,
      misuses: [
        MisuseCase(
          [2, 5], tokens: [0, 5], says: "crossEntropy: token 5 at position 1 is outside the vocabulary of 5",
          call),
        MisuseCase(
          [2, 5], tokens: [0, 1, 2], says: "crossEntropy: logits [2, 5] want targets [2]; got [3]", call),
        MisuseCase([], tokens: [0], tokenShape: [], says: "crossEntropy: logits []", call),
        MisuseCase(
          [2, 5], [3], tokens: [0, 1], says: "crossEntropy: targets [2] want weights of the same shape; got [3]",
          weighted),
        MisuseCase(
          [2, 5], [2], tokens: [0, 1], says: "crossEntropy: the weights depend on a trainable parameter", weighted),
      ])
  }

  private static var linearCrossEntropyTerms: [OperationCase] {
    func terms(ignoring ignored: Int32? = nil, _ terms: LossTerms, _ tokens: [Int32]) -> OperationCase {
      OperationCase(
        .linearCrossEntropy, .linearCrossEntropy(ignoring: ignored, terms), [tokens.count, 5], [11, 5], tokens: tokens)
    }
    return [
      terms(LossTerms(weights: [0.5, 2, 0, 1, 1.5, 0.25]), [10, 0, 4, 4, 7, 1]),
      terms(ignoring: -1, LossTerms(weights: [0.5, 2, 0, 1, 1.5, 0.25]), [10, -1, 4, 4, 7, 1]),
      terms(LossTerms(softCap: 1.5), [10, 0, 4, 4, 7, 1]),
      terms(LossTerms(zLoss: 0.1), [10, 0, 4, 4, 7, 1]),
      terms(ignoring: -1, LossTerms(weights: [0.5, 2, 0, 1, 1.5, 0.25], softCap: 2, zLoss: 0.05), [10, -1, 4, 4, 7, 1]),
      terms(LossTerms(weights: [0, 0, 0]), [10, 0, 4]),
    ]
  }

  static var linearCrossEntropy: OperationRecord {
    let kind = OperationKind.linearCrossEntropy
    let call: @Sendable (TapeCore, [Slot]) throws(Misuse) -> Slot = { c, x throws(Misuse) in
      try c.linearCrossEntropy(x[0], weight: x[1], x[2], ignoring: nil)
    }
    return OperationRecord(
      cases: [
        OperationCase(kind, .linearCrossEntropy(), [6, 5], [11, 5], tokens: [10, 0, 4, 4, 7, 1]),
        OperationCase(
          kind, .linearCrossEntropy(ignoring: -1), [6, 5], [11, 5], tokens: [10, -1, 4, -1, 7, 1]),
        OperationCase(
          kind, .linearCrossEntropy(), [2, 3, 4], [7, 4], tokens: [4, 0, 1, 2, 4, 3], tokenShape: [2, 3]),
        OperationCase(kind, .linearCrossEntropy(), [3], [5, 3], tokens: [2], tokenShape: []),
        OperationCase(kind, .linearCrossEntropy(), [1, 1], [1, 1], tokens: [0]),
        OperationCase(kind, .linearCrossEntropy(), [3, 0], [4, 0], tokens: [0, 1, 2]),
        OperationCase(
          kind, .linearCrossEntropy(), [300, 2], [3, 2], tokens: (0..<300).map { Int32($0 % 3) }),
      ] + linearCrossEntropyTerms,
      largeCases: [
        OperationCase(
          kind, .linearCrossEntropy(), [530, 33], [131, 33], tokens: (0..<530).map { Int32($0 * 17 % 131) }),
        OperationCase(
          kind,
          .linearCrossEntropy(
            ignoring: 3, LossTerms(weights: (0..<530).map { Double($0 % 4) / 2 }, softCap: 5, zLoss: 1e-3)),
          [530, 33], [131, 33], tokens: (0..<530).map { Int32($0 * 17 % 131) }),
      ],
      roundings: 64,
      misuses: [
        MisuseCase(
          [2, 5], [7, 5], tokens: [0, 7],
          says: "linearCrossEntropy: token 7 at position 1 is outside the vocabulary of 7", call),
        MisuseCase(
          [2, 5], [5, 7], tokens: [0, 1],
          says: "linearCrossEntropy: x has shape [2, 5], so weight must be [vocabulary, 5]; got [5, 7]",
          call),
        MisuseCase(
          [2, 5], [7, 5], tokens: [0], says: "linearCrossEntropy: x [2, 5] wants targets [2]; got [1]", call),
      ])
  }

  static var linearCrossEntropyLosses: OperationRecord {
    func losses(
      _ x: [Int], _ w: [Int], ignoring ignored: Int32? = nil, softCap: Double? = nil, _ tokens: [Int32], _ shape: [Int]? = nil
    ) -> OperationCase {
      OperationCase(
        .linearCrossEntropyLosses, .linearCrossEntropyLosses(ignoring: ignored, softCap: softCap), x, w, tokens: tokens,
        tokenShape: shape)
    }
    return OperationRecord(
      cases: [
        losses([6, 5], [11, 5], [10, 0, 4, 4, 7, 1]), losses([6, 5], [11, 5], ignoring: -1, [10, -1, 4, -1, 7, 1]),
        losses([2, 3, 4], [7, 4], softCap: 1.5, [4, 0, 1, 2, 4, 3], [2, 3]), losses([3], [5, 3], [2], []),
        losses([300, 2], [3, 2], (0..<300).map { Int32($0 % 3) }),
      ],
      largeCases: [losses([530, 33], [131, 33], ignoring: 3, softCap: 5, (0..<530).map { Int32($0 * 17 % 131) })],
      roundings: 64,
      misuses: [
        MisuseCase(
          [2, 5], [7, 5], tokens: [0, 7],
          says: "linearCrossEntropyLosses: token 7 at position 1 is outside the vocabulary of 7"
        ) { c, x throws(Misuse) in
          try c.linearCrossEntropyLosses(x[0], weight: x[1], x[2], ignoring: nil, softCap: nil)
        }
      ])
  }
}
