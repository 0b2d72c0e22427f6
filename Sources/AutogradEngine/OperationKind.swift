/// Every operation that can be recorded. A new operation gets one line here, one in `propagate`, and one in the
/// tests' registry (Tests/AutogradEngineTests/OperationRegistry.swift), which the compiler asks for.
package enum OperationKind: UInt8, CaseIterable, Sendable, BitwiseCopyable {
  case add, subtract, multiply, divide, affine
  case matmul, linear, gatedLinear
  case reshape, permute
  case slice, concatenate, gather
  case relu, geluTanh, geluErf, exp, log, tanh, sigmoid, silu, squareRoot, absolute, reluSquared
  case power, clip, select
  case extremum, variance, logSoftmax, logSumExp
  case sum, softmax, layerNorm, rmsNorm, embedding, attention, dropout
  case crossEntropy, linearCrossEntropy, linearCrossEntropyLosses, squaredError, binaryCrossEntropy
  case userDefined
  /// A part of the network that backward runs again.
  case recompute
  /// An operation that C defines; `TapeCore.customBackward` runs its backward.
  case custom
}

extension OperationKind {
  /// Records of this kind name integers[1] inputs, from integers[0] on in `TapeCore.inputLists`.
  var listsInputs: Bool { self == .concatenate || self == .userDefined || self == .custom }
}

package extension TapeCore {
  /// Runs the backward of one record: adds to the gradients of its inputs.
  func propagate(_ record: Record) throws(Misuse) {
    switch record.kind {
    case .add: try addBackward(record)
    case .subtract: try subtractBackward(record)
    case .multiply: try multiplyBackward(record)
    case .divide: try divideBackward(record)
    case .affine: try affineBackward(record)
    case .matmul: try matmulBackward(record)
    case .linear: try linearBackward(record)
    case .gatedLinear: try gatedLinearBackward(record)
    case .reshape: try passGradient(from: record.output, to: record.inputs[0], "reshape")
    case .permute: try permuteBackward(record)
    case .slice: try sliceBackward(record)
    case .concatenate: try concatenateBackward(record)
    case .gather: try gatherBackward(record)
    case .power: try powerBackward(record)
    case .clip: try clipBackward(record)
    case .select: try selectBackward(record)
    case .extremum: try extremumBackward(record)
    case .variance: try varianceBackward(record)
    case .logSoftmax: try logSoftmaxBackward(record)
    case .logSumExp: try logSumExpBackward(record)
    case .userDefined: try userDefinedBackward(record)
    case .recompute: try recomputeBackward(record)
    case .squaredError, .binaryCrossEntropy: try pairLossBackward(record)
    case .relu, .geluTanh, .geluErf, .exp, .log, .tanh, .sigmoid, .silu, .squareRoot, .absolute,
      .reluSquared:
      try unaryBackward(record)
    case .sum: try sumBackward(record)
    case .softmax: try softmaxBackward(record)
    case .layerNorm: try layerNormBackward(record)
    case .rmsNorm: try rmsNormBackward(record)
    case .embedding: try embeddingBackward(record)
    case .attention: try attentionBackward(record)
    case .dropout: try dropoutBackward(record)
    case .crossEntropy: try crossEntropyBackward(record)
    case .linearCrossEntropy: try linearCrossEntropyBackward(record)
    case .linearCrossEntropyLosses: try linearCrossEntropyLossesBackward(record)
    case .custom: try customBackward?(record)
    }
  }
}
