public import Autograd
public import Base

extension Parameter {
  /// Draws every element from a normal distribution around 0.
  public func fillNormal(deviation: Double, _ random: inout RandomStream) {
    // INVARIANT: no step is running on these values; the caller makes or resets a model.
    let values = unsafe values
    for index in values.indices { unsafe values[index] = Scalar(random.normal() * deviation) }
  }
}
