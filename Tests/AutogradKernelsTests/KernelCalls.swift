import AutogradEngine
import CAutogradKernels
import AutogradKernels

// Kernels on arrays.

extension Backend {
  /// y = op(x).
  func unary<S: TensorScalar>(_ op: ck_unary_op, _ x: [S]) -> [S] {
    [S](unsafeUninitializedCapacity: x.count) { y, count in
      x.withUnsafeBufferPointer { x in
        runElements(ck_unary(op: op, y: y.baseAddress, x: x.baseAddress), S.elementType, count: x.count)
      }
      count = x.count
    }
  }

  /// dx = op′(x) · dy.
  func unaryBackward<S: TensorScalar>(_ op: ck_unary_op, _ x: [S], y: [S], dy: [S]) -> [S] {
    [S](unsafeUninitializedCapacity: x.count) { dx, count in
      x.withUnsafeBufferPointer { x in
        y.withUnsafeBufferPointer { y in
          dy.withUnsafeBufferPointer { dy in
            runElements(
              ck_unary_backward(
                op: op, dx: dx.baseAddress, dy: dy.baseAddress, x: x.baseAddress, y: y.baseAddress,
                accumulate: 0),
              S.elementType, count: x.count)
          }
        }
      }
      count = x.count
    }
  }

  /// op(a)·op(b), both stored row by row, transposed where asked; onto `c` where given.
  func multiply<S: TensorScalar>(
    m: Int, n: Int, k: Int, _ a: [S], transposedA: Bool = false, _ b: [S], transposedB: Bool = false,
    onto c: [S]? = nil, epilogue: ck_epilogue? = nil, sumsOverRows: Bool = false,
    precision: MatmulPrecision = .float32
  ) -> [S] {
    let initial = c ?? [S](repeating: .nan, count: m * n), bytes = m * n * MemoryLayout<S>.stride
    let result = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 64)
    defer { result.deallocate() }
    initial.withUnsafeBytes { result.copyMemory(from: $0) }
    a.withUnsafeBytes { a in
      b.withUnsafeBytes { b in
        // An empty array has no address; nothing is read there.
        let anywhere = UnsafeRawPointer(bitPattern: 64)!
        let left = MatrixView(
          a.baseAddress ?? anywhere, rowStride: transposedA ? 1 : k, columnStride: transposedA ? m : 1)
        let right = MatrixView(
          b.baseAddress ?? anywhere, rowStride: transposedB ? 1 : n, columnStride: transposedB ? k : 1)
        multiply(
          m: m, n: n, k: k, left, right,
          into: result.baseAddress ?? UnsafeMutableRawPointer(mutating: anywhere),
          cStride: n, accumulate: c != nil, epilogue: epilogue, sumsOverRows: sumsOverRows, S.elementType,
          precision: precision)
      }
    }
    return Array(result.bindMemory(to: S.self))
  }

  /// Attention over qkv [B, T, 3·H·D].
  func attention<S: TensorScalar>(
    _ qkv: [S], B: Int, T: Int, H: Int, D: Int, precision: MatmulPrecision = .float32
  ) -> [S] {
    var y = [S](repeating: .nan, count: B * T * H * D)
    var maximum = [S](repeating: .nan, count: B * H * T), reciprocal = maximum
    y.withUnsafeMutableBytes { y in
      maximum.withUnsafeMutableBytes { maximum in
        reciprocal.withUnsafeMutableBytes { reciprocal in
          qkv.withUnsafeBytes { qkv in
            let C = H * D, q = qkv.baseAddress!, size = S.elementType.size
            let arguments = ck_attention(
              q: q, k: q + C * size, v: q + 2 * C * size, y: y.baseAddress, maximum: maximum.baseAddress,
              reciprocal_sum: reciprocal.baseAddress, q_stride: 3 * C, k_stride: 3 * C, v_stride: 3 * C, T: T, H: H,
              KV: H, D: D, window: T, scale: 1 / Double(D).squareRoot(), positions: nil, normalizes: 0, norm_epsilon: 0,
              q_weight: nil, k_weight: nil, cosines: nil, sines: nil, rotary_size: 0, interleaves: 0, dropout_rate: 0,
              key: 0, counter1: 0, counter2: 0, counter3: 0)
            let pairs: Int32 = usesPairs(S.elementType, precision) ? 1 : 0
            let scratch = withUnsafePointer(to: table(S.elementType)) { table in
              withUnsafePointer(to: arguments) { ck_attention_scratch(table, $0, pairs) }
            }
            run(
              arguments, S.elementType, count: B * H, grain: 1, scratch: scratch * S.elementType.size,
              precision: precision)
          }
        }
      }
    }
    return y
  }
}
