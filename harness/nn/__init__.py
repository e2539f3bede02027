"""Networks and losses that methods share: encoders, projection heads, the fusion classifier, contrastive losses."""
