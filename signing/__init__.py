"""Floor 0: what can be proven. Bytes, keys, trees and paper; knows nothing of the law of licenses."""
