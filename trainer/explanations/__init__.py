"""What a network's calls rest on, and whether the maps that say so can be believed.

`gradcam` and `blackbox` make the maps, `baselines` those that any of them must beat, `measures` and `proof`
compare them, `gallery` and `page` show them; `run` is the command `leukoscope-train explain`.
"""
