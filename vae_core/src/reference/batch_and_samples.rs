//! The authors' Fig. 3: the bound of Frey Face after 2000 epochs for each L (rows, 1 to 8) and M (columns), read from the colours of the
//! published figure (±1 nat), one seed, nats per datapoint.

/// M of the columns.
pub const BATCH: [usize; 4] = [20, 60, 100, 140];

/// L of the rows.
pub const SAMPLES: [usize; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// On the training frames.
pub const TRAIN: [[f64; 4]; 8] = [
    [1174.0, 1127.0, 1066.0, 1048.0],
    [1136.0, 1099.0, 1062.0, 1066.0],
    [1175.0, 1134.0, 1070.0, 1066.0],
    [1186.0, 1113.0, 1075.0, 1079.0],
    [1165.0, 1115.0, 1051.0, 1032.0],
    [1144.0, 1086.0, 1071.0, 1058.0],
    [1197.0, 1118.0, 1063.0, 1038.0],
    [1217.0, 1108.0, 1089.0, 1059.0],
];

/// On the held-out frames.
pub const HELD_OUT: [[f64; 4]; 8] = [
    [651.0, 738.0, 733.0, 744.0],
    [729.0, 741.0, 779.0, 721.0],
    [699.0, 725.0, 718.0, 669.0],
    [705.0, 707.0, 757.0, 688.0],
    [635.0, 723.0, 737.0, 719.0],
    [657.0, 753.0, 746.0, 748.0],
    [655.0, 719.0, 715.0, 722.0],
    [631.0, 722.0, 748.0, 731.0],
];
