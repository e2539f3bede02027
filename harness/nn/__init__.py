"""Networks: encoders by kind of modality, projection heads, fusion classifier, contrastive loss."""
