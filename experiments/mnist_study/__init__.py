"""Every strategy on MNIST."""
