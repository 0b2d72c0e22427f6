import AutogradTestSupport

@testable import AutogradEngine

extension OperationRecord {
  static var attention: OperationRecord {
    func attention(_ shape: [Int], _ heads: Int, dropout: Double = 0) -> OperationCase {
      OperationCase(.attention, .attention(heads: heads, dropout: dropout), shape)
    }
    return OperationRecord(
      cases: [
        attention([2, 9, 24], 2), attention([1, 1, 3], 1), attention([1, 5, 9], 3), attention([2, 4, 12], 1),
        attention([1, 19, 15], 5), attention([1, 70, 6], 2), attention([1, 3, 99], 1),
        attention([0, 4, 12], 2),
        attention([2, 0, 12], 2), attention([2, 3, 0], 2), attention([1, 6, 12], 2, dropout: 0.4),
        attention([2, 18, 6], 1, dropout: 0.2),
      ] + formed,
      largeCases: [attention([3, 90, 3 * 34], 2), attention([2, 40, 3 * 20], 4, dropout: 0.3)] + largeFormed,
      roundings: 64, misuses: attentionMisuses)
  }

  /// - Parameter documents: Lengths of documents, one after the other.
  private static func form(
    _ B: Int, _ T: Int, _ choices: AttentionChoices, documents: [Int]? = nil
  ) -> OperationCase {
    OperationCase(
      .attention, .attentionOf(choices), shapes: choices.shapes(B, T),
      tokens: documents.map { AttentionChoices.positions(B, T, $0) }, tokenShape: [B, T])
  }

  private static var formed: [OperationCase] {
    [
      form(2, 9, AttentionChoices(6, 2, D: 3)), form(1, 19, AttentionChoices(9, 3, D: 1)),
      form(1, 5, AttentionChoices(5, 1, D: 8)), form(3, 17, AttentionChoices(2, 1, D: 24)),
      form(1, 7, AttentionChoices(2, 2, D: 6, rotates: 1)),
      form(2, 9, AttentionChoices(4, 2, D: 8, rotates: 0.5, .interleaved)),
      form(1, 16, AttentionChoices(2, 1, D: 68, rotates: 0.5, .half, .backward)),
      form(1, 9, AttentionChoices(2, 1, D: 4, norm: .plain)), form(2, 6, AttentionChoices(2, 2, D: 5, norm: .scaled)),
      form(1, 9, AttentionChoices(2, 1, D: 4, window: 1)), form(1, 40, AttentionChoices(2, 1, D: 3, window: 5)),
      form(2, 70, AttentionChoices(1, 1, D: 2, window: 33)),
      form(2, 23, AttentionChoices(2, 1, D: 3), documents: [1, 4, 9, 2, 17]),
      form(3, 8, AttentionChoices(1, 1, D: 64, norm: .scaled)),
      form(1, 20, AttentionChoices(3, 1, D: 80, rotates: 0.25)),
      form(1, 0, AttentionChoices(2, 1, D: 3, norm: .scaled, rotates: 0.7)),
      form(2, 3, AttentionChoices(4, 2, D: 2, window: 2, dropout: 0.3), documents: [2]),
      form(1, 20, AttentionChoices(3, 1, D: 6, norm: .scaled, rotates: 1, .half, .backward)),
      form(2, 25, AttentionChoices(4, 2, D: 4, window: 3, norm: .scaled, rotates: 1), documents: [5, 8, 1]),
    ]
  }

  private static var largeFormed: [OperationCase] {
    [
      form(3, 90, AttentionChoices(6, 2, D: 16, window: 40, norm: .scaled, rotates: 1), documents: [70, 33]),
      form(1, 75, AttentionChoices(5, 1, D: 24, norm: .scaled, rotates: 0.5, .interleaved)),
      form(2, 80, AttentionChoices(4, 4, D: 20, window: 17, dropout: 0.3)),
    ]
  }

  private static var attentionMisuses: [MisuseCase] {
    func refuses(_ shape: [Int], _ heads: Int, dropout: Double = 0, _ sentence: String) -> MisuseCase {
      MisuseCase(shape, says: sentence) { c, x throws(Misuse) in
        try c.attention(x[0], headCount: heads, dropout: dropout)
      }
    }
    /// The operands after the first are the weights of the norm.
    func refuses(
      _ shapes: [[Int]], _ form: AttentionForm, positions: ([Int32], [Int])? = nil, _ sentence: String
    ) -> MisuseCase {
      MisuseCase(shapes: shapes, tokens: positions?.0, tokenShape: positions?.1, says: sentence) {
        c, x throws(Misuse) in
        let operands = AttentionOperands(
          qkv: x[0], queryWeight: shapes.count > 1 ? x[1] : -1, keyWeight: shapes.count > 2 ? x[2] : -1,
          positions: positions == nil ? -1 : x[shapes.count])
        return try c.attention(operands, form, dropout: 0)
      }
    }
    let grouped = AttentionForm(headCount: 4, keyValueHeadCount: 2)
    let rotary = RotaryTable<Double>(contextLength: 5, headSize: 2).core
    let turned = AttentionForm(headCount: 1, rotary: rotary)
    return [
      refuses([2, 9, 25], 2, "a multiple of 2 heads; got [2, 9, 25]"),
      refuses([9, 24], 2, "got [9, 24]"), refuses([2, 9, 24], 0, "a multiple of 0 heads"),
      refuses([2, 9, 24], -2, "a multiple of -2 heads"), refuses([2, 9, 24], .max, "heads"),
      refuses([2, 9, 0], .max, "more elements than any memory holds"),
      refuses([2, 9, 24], 2, dropout: 1, "causalAttention: a dropout rate of 1.0"),
      refuses(
        [[2, 9, 12]], grouped,
        "the columns being 4 heads of queries, 2 of keys and 2 of values of one size; got [2, 9, 12]"),
      refuses(
        [[2, 9, 12]], AttentionForm(headCount: 4, keyValueHeadCount: 3),
        "4 query heads do not divide among 3 heads of keys and values"),
      refuses(
        [[2, 9, 12]], AttentionForm(headCount: 4, keyValueHeadCount: 0), "do not divide among 0 heads"),
      refuses([[2, 9, 8]], AttentionForm(headCount: 4, keyValueHeadCount: 2, window: 0), "a window of 0 tokens"),
      refuses([[2, 9, 12]], turned, "the rotary table is for heads of 2 columns; those of [2, 9, 12] have 4"),
      refuses([[1, 6, 6]], turned, "6 tokens are more than the 5 positions of the rotary table"),
      refuses(
        [[2, 2, 6]], turned, positions: ([0, 1, 0, 5], [2, 2]),
        "position 5 of token 1 of sequence 1 is outside of the rotary table, which has 5"),
      refuses([[1, 2, 6]], turned, positions: ([0, -1], [1, 2]), "position -1 of token 1 of sequence 0 is negative"),
      refuses(
        [[2, 3, 6]], AttentionForm(headCount: 1), positions: ([0, 1, 2], [3]),
        "have shape [2, 3, 6], so positions must be [2, 3]; got [3]"),
      refuses(
        [[1, 2, 12], [4], [3]], AttentionForm(headCount: 1, normEpsilon: 1e-6),
        "heads have 4 columns, so the norm's key weight must be [4]; got [3]"),
      refuses(
        [[1, 2, 12], [1, 4], [4]], AttentionForm(headCount: 1, normEpsilon: 1e-6),
        "so the norm's query weight must be [4]; got [1, 4]"),
      refuses([[1, 2, 12]], AttentionForm(headCount: 1, normEpsilon: -1), "normalised with an epsilon of -1.0"),
    ]
  }
}
