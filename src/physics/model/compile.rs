//! What follows from a model's parts: the tree, patterns, pairs, and constants of the file's configuration.

use super::contact::{self, Pair};
use super::parts::{Geom, Shape, TendonPath};
use super::pattern::Pattern;
use super::{Model, weights};

/// Two geoms whose contact is not supported, the one with the earlier shape first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelFault {
    /// They may touch, and contacts of their shapes are not computed.
    Shapes([usize; 2]),
    /// They are an explicit pair and do not move against each other.
    Fixed([usize; 2]),
    /// A plane, twice, on a body that moves.
    Plane([usize; 2]),
}

impl Model {
    /// Fills in all that follows from bodies, joints, geoms, tendons and `explicit` pairs.
    ///
    /// # Errors
    /// Two geoms whose contact is not supported.
    pub(in crate::physics) fn complete(&mut self, explicit: &[Pair]) -> Result<(), ModelFault> {
        self.link_tree();
        for index in 0..self.tendons.len() {
            self.tendons[index].chain = self.tendon_chain(&self.tendons[index].path);
        }
        let moves = |geom: &Geom| geom.shape == Shape::Plane && self.bodies[geom.body].weld != 0;
        if let Some(plane) = self.geoms.iter().position(moves) {
            return Err(ModelFault::Plane([plane; 2]));
        }
        self.pairs = contact::pairs(self, explicit)?;
        self.crowds = contact::crowds(self);
        self.find_patterns();
        weights::fill(self);
        Ok(())
    }

    fn link_tree(&mut self) {
        for index in 1..self.bodies.len() {
            let parent = self.bodies[index].parent;
            let (root, weld, mut chain) =
                (self.bodies[parent].root, self.bodies[parent].weld, self.bodies[parent].chain.clone());
            for dof in self.bodies[index].dofs.clone() {
                self.dofs[dof].parent = chain.last().copied();
                chain.push(dof);
            }
            let body = &mut self.bodies[index];
            body.root = if parent == 0 { index } else { root };
            body.weld = if body.joints.is_empty() { weld } else { index };
            body.chain = chain;
        }
        for body in &mut self.bodies {
            body.subtree_mass = body.mass;
        }
        for index in (1..self.bodies.len()).rev() {
            let (parent, mass) = (self.bodies[index].parent, self.bodies[index].subtree_mass);
            self.bodies[parent].subtree_mass += mass;
        }
    }

    fn tendon_chain(&self, path: &TendonPath) -> Vec<usize> {
        let mut chain: Vec<usize> = match path {
            TendonPath::Fixed(terms) => terms.iter().map(|&(joint, _)| self.joints[joint].dof).collect(),
            TendonPath::Spatial(sites) => sites
                .windows(2)
                .flat_map(|ends| contact::chain(self, self.sites[ends[0]].body, self.sites[ends[1]].body))
                .map(|(dof, _)| dof)
                .collect(),
        };
        chain.sort_unstable();
        chain.dedup();
        chain
    }

    fn find_patterns(&mut self) {
        let chains: Vec<&[usize]> = self.bodies.iter().map(|body| body.chain.as_slice()).collect();
        let contacts: Vec<Vec<usize>> =
            self.pairs.iter().map(|pair| pair.chain.iter().map(|&(dof, _)| dof).collect()).collect();
        let coupling = self.tendons.iter().filter(|t| t.range.is_some() || t.friction_loss > 0.0);
        let tendons = coupling.map(|tendon| tendon.chain.as_slice());
        let crowds = self.crowds.iter().map(|crowd| crowd.dofs.as_slice());
        let sets = chains.iter().copied().chain(contacts.iter().map(Vec::as_slice)).chain(tendons).chain(crowds);
        let (mass, system) = (Pattern::of(self.nv(), chains.iter().copied()), Pattern::of(self.nv(), sets));
        (self.mass_pattern, self.system_pattern) = (mass, system);
    }
}
