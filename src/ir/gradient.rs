//! Reverse-mode derivatives.

use super::*;

impl Builder {
    /// Adds the gradient of the batch mean of `loss` (width 1) for every trained parameter.
    #[track_caller]
    pub fn differentiate(&mut self, loss: NodeId) {
        self.fail(self.width(loss), "differentiate is not built yet".to_string());
    }

    /// For every row `r`, `d loss_r / d wrt_r`.
    #[track_caller]
    pub fn gradients(&mut self, loss: NodeId, wrt: &[NodeId]) -> Vec<NodeId> {
        self.fail(self.width(loss), "gradients is not built yet".to_string());
        wrt.to_vec()
    }
}
