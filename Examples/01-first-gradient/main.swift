// What a gradient is, and how to get one: everything is computed inside a step of a tape, and what should
// come out of it is returned as plain numbers. The lines between the marks are README's, to the letter.

import Autograd

let tape = Tape<Float>()
let weight = Parameter<Float>([[1, 2], [3, 4]])

let loss = tape.step { tape in
  let y = tape.input([[5, 6]]).matmul(weight)  // [23, 34]
  let loss = (y * y).sum()  // 23² + 34²
  loss.backward()
  return loss.value  // values leave a step, variables cannot
}
print(loss, weight.gradient)

// d loss / d weight[i, j] = 2 · x[i] · y[j]
guard loss == 1685, weight.gradient == [[230, 340], [276, 408]] else {
  fatalError("this is not the gradient")
}
