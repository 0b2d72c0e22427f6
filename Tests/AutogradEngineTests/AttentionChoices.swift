import Glibc

@testable import AutogradEngine

/// How the tests form an attention: its heads and what it does to them. Operands: queries, keys and values; then, where
/// the norm is scaled, the weights of queries and of keys. Tokens, where there are any, are positions.
final class AttentionChoices: Sendable, CustomStringConvertible {
  enum Norm { case none, plain, scaled }

  let H, KV, D: Int
  let window: Int?
  let norm: Norm
  /// Large enough that the norm of small random heads has no kink.
  let epsilon = 0.05
  let float: RotaryTable<Float>?
  let double: RotaryTable<Double>?
  let dropout: Double

  init(
    _ H: Int, _ KV: Int, D: Int, window: Int? = nil, norm: Norm = .none, rotates share: Double? = nil,
    _ convention: RotaryConvention = .half, _ direction: RotaryDirection = .forward, dropout: Double = 0
  ) {
    (self.H, self.KV, self.D) = (H, KV, D)
    self.window = window
    self.norm = norm
    self.dropout = dropout
    float = share.map {
      RotaryTable(contextLength: 150, headSize: D, base: 100, share: $0, convention: convention, direction: direction)
    }
    double = share.map {
      RotaryTable(contextLength: 150, headSize: D, base: 100, share: $0, convention: convention, direction: direction)
    }
  }

  var columns: Int { (H + 2 * KV) * D }

  /// The shapes of the operands for B sequences of T tokens.
  func shapes(_ B: Int, _ T: Int) -> [[Int]] {
    [[B, T, columns]] + (norm == .scaled ? [[D], [D]] : [])
  }

  func table<S: TensorScalar>(of type: S.Type) -> RotaryTable<S>? {
    (float as? RotaryTable<S>) ?? (double as? RotaryTable<S>)
  }

  func apply<S: TensorScalar>(_ x: Operands<S>, _ positions: Tokens?) -> Variable<S> {
    let weights = norm == .scaled
    let queryKeyNorm = norm == .none
      ? nil : QueryKeyNorm<S>(query: weights ? x[1] : nil, key: weights ? x[2] : nil, epsilon: epsilon)
    return x[0].causalAttention(
      headCount: H, keyValueHeadCount: KV, rotary: table(of: S.self), queryKeyNorm: queryKeyNorm, window: window,
      positions: positions, dropout: dropout)
  }

  var description: String {
    var words = ["attention \(H)/\(KV) heads of \(D)"]
    if let window { words.append("window \(window)") }
    if norm != .none { words.append("norm \(norm)") }
    if let double { words.append("\(double.rotatedSize) turned, \(double.convention) \(double.direction)") }
    if dropout > 0 { words.append("dropout \(dropout)") }
    return words.joined(separator: ", ")
  }

  /// Positions of B sequences of T tokens, in documents of the given lengths, again and again.
  static func positions(_ B: Int, _ T: Int, _ lengths: [Int]) -> [Int32] {
    var result: [Int32] = [], document = 0
    for _ in 0..<B {
      var place = 0
      for t in 0..<T {
        if t > 0, place == lengths[document % lengths.count] {
          document += 1
          place = 0
        }
        result.append(Int32(place))
        place += 1
      }
      document += 1
    }
    return result
  }
}

extension Reference {
  /// Attention as its formulas say, in Double, one number after the other.
  static func attention(_ x: [Tensor<Double>], _ choices: AttentionChoices, positions: [Int32]?) -> Tensor<Double> {
    let B = x[0].shape[0], T = x[0].shape[1], H = choices.H, KV = choices.KV, D = choices.D
    var y = Tensor<Double>(repeating: 0, shape: [B, T, H * D])
    for b in 0..<B {
      let places = (0..<T).map { t in positions.map { Int($0[b * T + t]) } ?? t }
      for h in 0..<H {
        let keyHead = h / (H / KV)
        let q = (0..<T).map { head(x, choices, b, $0, h, places[$0]) }
        let k = (0..<T).map { head(x, choices, b, $0, H + keyHead, places[$0]) }
        var document = 0
        for i in 0..<T {
          if places[i] == 0 { document = i }
          let seen = max(document, i - (choices.window ?? T) + 1)...i
          let scores = seen.map { j in zip(q[i], k[j]).reduce(0.0) { $0 + $1.0 * $1.1 } / Double(D).squareRoot() }
          let weights = softmax(scores)
          for d in 0..<D {
            y[b, i, h * D + d] = zip(seen, weights).reduce(0) { $0 + $1.1 * x[0][b, $1.0, (H + KV + keyHead) * D + d] }
          }
        }
      }
    }
    return y
  }

  /// A head of queries or keys as it is multiplied: normalised, scaled, turned.
  private static func head(
    _ x: [Tensor<Double>], _ choices: AttentionChoices, _ b: Int, _ t: Int, _ head: Int, _ position: Int
  ) -> [Double] {
    let D = choices.D
    var row = (0..<D).map { x[0][b, t, head * D + $0] }
    if choices.norm != .none {
      let size = (row.reduce(0) { $0 + $1 * $1 } / Double(D) + choices.epsilon).squareRoot()
      row = row.map { $0 / size }
    }
    if choices.norm == .scaled { row = zip(row, x[head < choices.H ? 1 : 2].elements).map { $0 * $1 } }
    guard let table = choices.double else { return row }
    let R = table.rotatedSize, before = row
    for j in 0..<R / 2 {
      let (first, second) = table.convention == .interleaved ? (2 * j, 2 * j + 1) : (j, j + R / 2)
      let angle = Double(position) * power(table.base, -2 * Double(j) / Double(R))
      let sine = table.direction == .backward ? -sin(angle) : sin(angle)
      row[first] = before[first] * cos(angle) - before[second] * sine
      row[second] = before[second] * cos(angle) + before[first] * sine
    }
    return row
  }
}
